//! The description as the guest returned it, in the host's form.

use std::time::Duration;

use loadhost_model::description as model;

use crate::bindings::types as wit;

pub(super) fn description(from: wit::Description, has_load_shape: bool) -> model::Description {
    model::Description {
        name: from.name,
        version: from.version,
        sdk: from.sdk,
        user_types: from.user_types.into_iter().map(user_type).collect(),
        thresholds: from.thresholds.into_iter().map(threshold).collect(),
        data_sets: from.data_sets,
        hosts: from.hosts,
        parameters: from.parameters.into_iter().map(parameter).collect(),
        settings: from.settings,
        has_load_shape,
    }
}

fn user_type(from: wit::UserType) -> model::UserType {
    model::UserType {
        name: from.name,
        weight: from.weight,
        fixed_count: from.fixed_count,
        wait: wait(from.wait),
        order: order(from.order),
        tasks: from.tasks.into_iter().map(task).collect(),
        groups: from.groups.into_iter().map(group).collect(),
    }
}

fn task(from: wit::Task) -> model::Task {
    model::Task {
        name: from.name,
        weight: from.weight,
        tags: from.tags,
        wait: from.wait.map(wait),
        group: from.group,
        next: from.next,
    }
}

fn group(from: wit::TaskGroup) -> model::TaskGroup {
    model::TaskGroup {
        name: from.name,
        weight: from.weight,
        tags: from.tags,
        order: order(from.order),
        rounds: from.rounds,
        parent: from.parent,
    }
}

fn threshold(from: wit::Threshold) -> model::ThresholdText {
    model::ThresholdText {
        metric: from.metric,
        tags: from.tags,
        condition: from.condition,
        abort_after: from.abort_after.map(Duration::from_nanos),
    }
}

fn parameter(from: wit::Parameter) -> model::Parameter {
    model::Parameter {
        name: from.name,
        kind: from.kind,
        default: from.default,
        help: from.help,
        secret: from.secret,
    }
}

fn wait(from: wit::WaitTime) -> model::WaitTime {
    let span = Duration::from_nanos;
    match from {
        wit::WaitTime::None => model::WaitTime::None,
        wit::WaitTime::Constant(time) => model::WaitTime::Constant(span(time)),
        wit::WaitTime::Between((low, high)) => model::WaitTime::Between(span(low), span(high)),
        wit::WaitTime::Pacing(period) => model::WaitTime::Pacing(span(period)),
        wit::WaitTime::Exponential(mean) => model::WaitTime::Exponential(span(mean)),
    }
}

fn order(from: wit::Order) -> model::Order {
    match from {
        wit::Order::Weighted => model::Order::Weighted,
        wit::Order::Sequential => model::Order::Sequential,
        wit::Order::Shuffled => model::Order::Shuffled,
        wit::Order::Markov => model::Order::Markov,
    }
}
