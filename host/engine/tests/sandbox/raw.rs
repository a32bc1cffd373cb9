//! Core modules written byte by byte, and grafted onto a good scenario: what no compiler emits.

use crate::bench::guest;

pub(crate) const END: u8 = 0x0b;

/// A core module, section by section. Function type 0 takes and gives nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Module {
    functions: Vec<Vec<u8>>,
    types: Vec<u8>,
    more_types: u32,
    table: Vec<u8>,
    memory: Vec<u8>,
    globals: Vec<u8>,
    exports: Vec<u8>,
    start: Option<u32>,
    data: Vec<u8>,
    custom: Vec<u8>,
}

pub(crate) fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&leb(bytes.len() as u32), bytes].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &*sized(content)].concat()
}

/// Only if there is something in it.
fn optional(id: u8, content: &[u8]) -> Vec<u8> {
    if content.is_empty() { Vec::new() } else { section(id, content) }
}

fn of_one(item: &[u8]) -> Vec<u8> {
    if item.is_empty() { Vec::new() } else { [&[1], item].concat() }
}

impl Module {
    /// A function without locals; `code` ends with [`END`].
    pub(crate) fn function(self, code: &[u8]) -> Self {
        self.function_with_locals(0, code)
    }

    /// So many locals of type i32.
    pub(crate) fn function_with_locals(mut self, locals: u32, code: &[u8]) -> Self {
        let locals = if locals == 0 { vec![0] } else { [&[1], &*leb(locals), &[0x7f]].concat() };
        self.functions.push([&*locals, code].concat());
        self
    }

    /// The function that runs when the module is instantiated.
    pub(crate) fn start(mut self, function: u32) -> Self {
        self.start = Some(function);
        self
    }

    /// Of functions, with at least so many elements.
    pub(crate) fn table(mut self, elements: u32) -> Self {
        self.table = [&[0x70, 0], &*leb(elements)].concat();
        self
    }

    pub(crate) fn memory(mut self, pages: u32) -> Self {
        self.memory = [&[0], &*leb(pages)].concat();
        self
    }

    /// Four bytes at this offset of the memory.
    pub(crate) fn data(mut self, offset: u32) -> Self {
        // A signed constant, so with room for the sign.
        let mut constant = vec![0x41];
        let signed = i64::from(offset as i32);
        let mut rest = signed;
        loop {
            let byte = (rest & 0x7f) as u8;
            rest >>= 7;
            let ends = (rest == 0 && byte & 0x40 == 0) || (rest == -1 && byte & 0x40 != 0);
            constant.push(if ends { byte } else { byte | 0x80 });
            if ends {
                break;
            }
        }
        self.data = [&[0], &*constant, &[END], &*sized(b"data")].concat();
        self
    }

    /// So many more types of functions, each with so many parameters.
    pub(crate) fn types(mut self, count: u32, parameters: u32) -> Self {
        let one = [&[0x60], &*leb(parameters), &*vec![0x7f; parameters as usize], &[0]].concat();
        self.types = one.repeat(count as usize);
        self.more_types = count;
        self
    }

    /// So many globals.
    pub(crate) fn globals(mut self, count: u32) -> Self {
        self.globals = [&*leb(count), &*[0x7f, 0, 0x41, 0, END].repeat(count as usize)].concat();
        self
    }

    /// Exports function 0 so many times.
    pub(crate) fn exports(mut self, count: u32) -> Self {
        let each = |n: u32| [&*sized(format!("export-{n}").as_bytes()), &[0, 0]].concat();
        self.exports = leb(count).into_iter().chain((0..count).flat_map(each)).collect();
        self
    }

    pub(crate) fn custom(mut self, name: &str, content: &[u8]) -> Self {
        self.custom.extend(section(0, &[&*sized(name.as_bytes()), content].concat()));
        self
    }

    /// A name section that says that function 0 is called this.
    pub(crate) fn name_of_function_0(self, name: &[u8]) -> Self {
        let names = section(1, &[&[1, 0], &*sized(name)].concat());
        self.custom("name", &names)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = leb(self.functions.len() as u32);
        let types = [&*leb(self.more_types + 1), &[0x60, 0, 0], &self.types].concat();
        let indices = [&*count, &*vec![0; self.functions.len()]].concat();
        let bodies: Vec<u8> = self.functions.iter().flat_map(|body| sized(body)).collect();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &types),
            section(3, &indices),
            optional(4, &of_one(&self.table)),
            optional(5, &of_one(&self.memory)),
            optional(6, &self.globals),
            optional(7, &self.exports),
            self.start.map_or_else(Vec::new, |function| section(8, &leb(function))),
            section(10, &[&*count, &*bodies].concat()),
            optional(11, &of_one(&self.data)),
            self.custom.clone(),
        ]
        .concat()
    }

    /// The hostile guest, which is healthy unless told otherwise, with this module in it.
    pub(crate) fn grafted(&self) -> Vec<u8> {
        grafted(&[self.bytes()])
    }
}

/// The hostile guest with an instance of each of these modules beside it.
pub(crate) fn grafted(modules: &[Vec<u8>]) -> Vec<u8> {
    let mut component = guest("hostile");
    let present = core_modules(&component);
    for (index, module) in modules.iter().enumerate() {
        component.extend(section(1, module));
        let instance = [&[1, 0], &*leb(present + index as u32), &[0]].concat();
        component.extend(section(2, &instance));
    }
    component
}

/// The hostile guest with these bytes after it, as a section of a component.
pub(crate) fn with_section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut component = guest("hostile");
    component.extend(section(id, content));
    component
}

/// Modules in the component itself.
fn core_modules(component: &[u8]) -> u32 {
    let (mut at, mut count) = (8, 0);
    while at < component.len() {
        let id = component[at];
        at += 1;
        let (mut size, mut shift) = (0usize, 0);
        loop {
            let byte = component[at];
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += size;
        count += u32::from(id == 1);
    }
    count
}
