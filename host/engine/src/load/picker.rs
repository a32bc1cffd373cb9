//! Which task a user runs next.
//!
//! A [`TaskTable`] is one user type's tasks and groups with what the run's filter leaves of them,
//! shared by its users. A [`TaskPicker`] is where one user stands in it. No clock, no IO; the
//! same seed makes the same choices.

use std::sync::Arc;

use fastrand::Rng;
use loadhost_model::description::{Order, UserType, WaitTime};
use loadhost_model::plan::TaskFilter;

/// The tasks of one user type that run, as a tree: tasks and groups below the user type or below
/// a group. Groups without a task that runs are not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskTable {
    /// The root is the first.
    nodes: Vec<Node>,
    /// By task index.
    waits: Vec<WaitTime>,
}

/// The user type itself, or a group.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    order: Order,
    /// Members chosen before a user leaves it; (0, 0): each once. Of no meaning for the root.
    rounds: (u32, u32),
    members: Vec<Member>,
    /// Running sum of the members' weights.
    sums: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Member {
    what: What,
    /// Index of a sibling, and the running sum of weights.
    next: Vec<(usize, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Task(u32),
    Node(usize),
}

impl TaskTable {
    /// What the filter leaves. None: nothing.
    ///
    /// A group's tags count for all tasks in it. Tasks of weight 0 take part only if the filter
    /// names them (with weight 1 then), or as another's successor. Siblings stand in the order of
    /// their tasks, a group where its first task stands.
    pub fn new(user_type: &UserType, filter: &TaskFilter) -> Option<TaskTable> {
        let waits = user_type.tasks.iter().map(|task| task.wait.unwrap_or(user_type.wait));
        let mut table = TaskTable { nodes: Vec::new(), waits: waits.collect() };
        let build = Build { user_type, filter };
        build.node(&mut table.nodes, None)?;
        Some(table)
    }

    /// The pause after this task.
    pub fn wait_after(&self, task: u32) -> WaitTime {
        self.waits.get(task as usize).copied().unwrap_or(WaitTime::None)
    }
}

struct Build<'a> {
    user_type: &'a UserType,
    filter: &'a TaskFilter,
}

impl Build<'_> {
    /// Adds the node of a group, or of the user type, with all below it.
    fn node(&self, nodes: &mut Vec<Node>, group: Option<u32>) -> Option<usize> {
        let (order, rounds) = match group.and_then(|g| self.user_type.groups.get(g as usize)) {
            Some(group) => (group.order, group.rounds),
            None => (self.user_type.order, (0, 0)),
        };
        let index = nodes.len();
        nodes.push(Node { order, rounds, members: Vec::new(), sums: Vec::new() });
        let members = self.members(nodes, group);
        if members.iter().all(|member| member.weight == 0) {
            nodes.truncate(index);
            return None;
        }
        let mut sum = 0;
        for member in &members {
            sum += u64::from(member.weight);
            let next = self.successors(&members, member.what);
            nodes[index].sums.push(sum);
            nodes[index].members.push(Member { what: member.what, next });
        }
        Some(index)
    }

    fn members(&self, nodes: &mut Vec<Node>, group: Option<u32>) -> Vec<Candidate> {
        let tasks = (0..).zip(&self.user_type.tasks).filter(|(_, task)| task.group == group);
        let mut members: Vec<Candidate> = tasks
            .filter_map(|(index, _)| self.candidate(index, order_is_markov(self.user_type, group)))
            .collect();
        for (index, inner) in (0..).zip(&self.user_type.groups) {
            // A parent has a smaller index, so that this ends.
            if inner.parent != group || group.is_some_and(|group| index <= group) {
                continue;
            }
            let Some(place) = self.first_task(index) else { continue };
            let weight =
                if self.filter.names.is_empty() { inner.weight } else { inner.weight.max(1) };
            if weight > 0
                && let Some(node) = self.node(nodes, Some(index))
            {
                members.push(Candidate { place, what: What::Node(node), weight });
            }
        }
        members.sort_by_key(|member| member.place);
        members
    }

    /// The task, if it runs. Under a Markov order tasks of weight 0 stay, as successors.
    fn candidate(&self, index: u32, markov: bool) -> Option<Candidate> {
        let task = self.user_type.tasks.get(index as usize)?;
        let TaskFilter { include, exclude, names } = self.filter;
        let named = names.contains(&task.name);
        let any = |wanted: &[String]| self.has_tag(index, |tag| wanted.iter().any(|w| w == tag));
        let runs = (names.is_empty() || named)
            && (include.is_empty() || any(include))
            && !any(exclude)
            && (task.weight > 0 || named || markov);
        let weight = if named { task.weight.max(1) } else { task.weight };
        runs.then_some(Candidate { place: index, what: What::Task(index), weight })
    }

    fn has_tag(&self, task: u32, wanted: impl Fn(&str) -> bool) -> bool {
        let Some(task) = self.user_type.tasks.get(task as usize) else { return false };
        let mut groups = std::iter::successors(task.group, |group| self.parent(*group));
        task.tags.iter().any(|tag| wanted(tag))
            || groups.any(|group| {
                let group = self.user_type.groups.get(group as usize);
                group.is_some_and(|group| group.tags.iter().any(|tag| wanted(tag)))
            })
    }

    fn parent(&self, group: u32) -> Option<u32> {
        let parent = self.user_type.groups.get(group as usize)?.parent?;
        (parent < group).then_some(parent)
    }

    /// The least index of a task in this group or below.
    fn first_task(&self, group: u32) -> Option<u32> {
        let inside = |task: Option<u32>| {
            std::iter::successors(task, |group| self.parent(*group)).any(|above| above == group)
        };
        let tasks = (0..).zip(&self.user_type.tasks);
        tasks.filter(|(_, task)| inside(task.group)).map(|(index, _)| index).min()
    }

    fn successors(&self, members: &[Candidate], of: What) -> Vec<(usize, u64)> {
        let What::Task(task) = of else { return Vec::new() };
        let Some(task) = self.user_type.tasks.get(task as usize) else { return Vec::new() };
        let mut sum = 0;
        let places =
            task.next.iter().filter(|(_, weight)| *weight > 0).filter_map(|(to, weight)| {
                let place = members.iter().position(|member| member.what == What::Task(*to))?;
                sum += u64::from(*weight);
                Some((place, sum))
            });
        places.collect()
    }
}

fn order_is_markov(user_type: &UserType, group: Option<u32>) -> bool {
    let group = group.and_then(|group| user_type.groups.get(group as usize));
    group.map_or(user_type.order, |group| group.order) == Order::Markov
}

/// A member before its node is laid out.
struct Candidate {
    place: u32,
    what: What,
    weight: u32,
}

/// Where one user stands.
#[derive(Debug, Clone)]
pub struct TaskPicker {
    table: Arc<TaskTable>,
    /// From the root to the group that the user is in.
    frames: Vec<Frame>,
}

#[derive(Debug, Clone)]
struct Frame {
    node: usize,
    /// Members still to choose. None: for ever.
    left: Option<u32>,
    /// The member chosen last, for a Markov order.
    last: Option<usize>,
    /// Members still to come of this round, the next one last.
    queue: Vec<usize>,
}

impl TaskPicker {
    /// Before the first choice.
    pub fn new(table: Arc<TaskTable>) -> Self {
        let root = Frame { node: 0, left: None, last: None, queue: Vec::new() };
        Self { table, frames: vec![root] }
    }

    /// What it chooses from.
    pub fn table(&self) -> &TaskTable {
        &self.table
    }

    /// The next task, as its index in the user type.
    pub fn pick(&mut self, rng: &mut Rng) -> u32 {
        loop {
            let depth = self.frames.len() - 1;
            let frame = &mut self.frames[depth];
            if frame.left == Some(0) {
                self.frames.pop();
                continue;
            }
            frame.left = frame.left.map(|left| left - 1);
            let node = &self.table.nodes[frame.node];
            match node.members[frame.choose(node, depth > 0, rng)].what {
                What::Task(task) => return task,
                What::Node(inner) => self.frames.push(Frame::enter(&self.table, inner, rng)),
            }
        }
    }
}

impl Frame {
    fn enter(table: &TaskTable, node: usize, rng: &mut Rng) -> Self {
        let left = match table.nodes[node].rounds {
            (0, 0) => table.nodes[node].eligible().count() as u32,
            (low, high) => rng.u32(low.min(high)..=high.max(low)),
        };
        Self { node, left: Some(left), last: None, queue: Vec::new() }
    }

    /// Index of the next member of `node`, which this frame stands in.
    fn choose(&mut self, node: &Node, in_group: bool, rng: &mut Rng) -> usize {
        let each_once = in_group && node.rounds == (0, 0);
        let choice = match node.order {
            Order::Weighted if each_once => self.dequeue(node, rng, Rng::shuffle),
            Order::Weighted => node.by_weight(rng),
            Order::Sequential => self.dequeue(node, rng, |_, queue| queue.reverse()),
            Order::Shuffled => self.dequeue(node, rng, Rng::shuffle),
            Order::Markov => match self.last.map(|last| &node.members[last].next[..]) {
                Some(next @ [.., (_, sum)]) => {
                    let at = rng.u64(0..*sum);
                    next[next.partition_point(|(_, sum)| *sum <= at)].0
                }
                _ => node.by_weight(rng),
            },
        };
        self.last = Some(choice);
        choice
    }

    fn dequeue(&mut self, node: &Node, rng: &mut Rng, order: fn(&mut Rng, &mut [usize])) -> usize {
        if self.queue.is_empty() {
            self.queue.extend(node.eligible());
            order(rng, &mut self.queue);
        }
        // A node has at least one eligible member, or it would not have been built.
        self.queue.pop().unwrap_or(0)
    }
}

impl Node {
    /// Members that have a weight.
    fn eligible(&self) -> impl Iterator<Item = usize> + '_ {
        let before = std::iter::once(0).chain(self.sums.iter().copied());
        let pairs = before.zip(&self.sums).enumerate();
        pairs.filter(|(_, (before, after))| before < *after).map(|(index, _)| index)
    }

    fn by_weight(&self, rng: &mut Rng) -> usize {
        let at = rng.u64(0..self.sums.last().copied().unwrap_or(1));
        self.sums.partition_point(|sum| *sum <= at)
    }
}

#[cfg(test)]
#[path = "picker_tests.rs"]
mod tests;
