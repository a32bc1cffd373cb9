//! Markup from texts that nobody vouches for. Everything that goes in through here is escaped; names show
//! their control characters instead of obeying them.

use std::fmt::Write;

use super::words::Language;

/// Growing markup in one language.
pub(super) struct Page {
    out: String,
    language: Language,
}

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

impl Page {
    pub(super) fn new(language: Language) -> Self {
        Self { out: String::with_capacity(64 << 10), language }
    }

    /// Markup of our own, as it is.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// A text of others.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.out);
        self
    }

    /// A name of others, apart from the direction of what is around it.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.raw("<bdi>").text(name).raw("</bdi>")
    }

    /// Words of the table, which can be switched.
    pub(super) fn word(&mut self, key: &str) -> &mut Self {
        self.word_in("span", key)
    }

    /// Words of the table in an element of their own.
    pub(super) fn word_in(&mut self, tag: &str, key: &str) -> &mut Self {
        let words = self.language.say(key);
        // Writing to a string cannot fail.
        let _ = write!(self.out, "<{tag} data-t=\"{key}\">");
        self.text(words);
        let _ = write!(self.out, "</{tag}>");
        self
    }

    /// Words with values in their places.
    pub(super) fn words(&mut self, key: &str, values: &[&str]) -> &mut Self {
        let mut words = self.language.say(key).to_string();
        for (i, value) in values.iter().enumerate() {
            words = words.replace(&format!("{{{i}}}"), &shown(value));
        }
        let shown: Vec<_> = values.iter().map(|value| shown(value)).collect();
        let values = serde_json::to_string(&shown).unwrap_or_default();
        let _ = write!(self.out, "<span data-t=\"{key}\" data-v=\"");
        self.text(&values).raw("\">").text(&words).raw("</span>")
    }

    /// A section with its heading.
    pub(super) fn section(&mut self, id: &str, key: &str, inside: impl FnOnce(&mut Self)) {
        let _ = write!(self.out, "<section id=\"{id}\" class=\"card\">");
        self.word_in("h2", key);
        inside(self);
        self.raw("</section>");
    }

    /// A line of a list of facts.
    pub(super) fn fact(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.raw("<div>").word_in("dt", key).raw("<dd>");
        value(self);
        self.raw("</dd></div>");
    }

    /// A cell with a number or a text.
    pub(super) fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    /// A cell with a name of others.
    pub(super) fn name_cell(&mut self, name: &str) -> &mut Self {
        self.raw("<td class=n>").name(name).raw("</td>")
    }

    /// The head of a table: keys of its columns; those after `names` hold numbers.
    pub(super) fn head(&mut self, columns: &[&str], names: usize) -> &mut Self {
        self.raw("<thead><tr>");
        for (i, key) in columns.iter().enumerate() {
            self.raw(if i < names { "<th class=n>" } else { "<th>" }).word(key).raw("</th>");
        }
        self.raw("</tr></thead>")
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }
}

/// For text and for values of attributes in quotes.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            other => show(other, out),
        }
    }
}

/// The text with what cannot be seen, or turns the direction of writing, made visible.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|character| show(character, &mut out));
    out
}

fn show(character: char, out: &mut String) {
    let code = u32::from(character);
    match character {
        '\n' | '\t' => out.push(character),
        // Unicode has a picture for each of them.
        '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + code)),
        '\u{7f}' => out.push('\u{2421}'),
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => {
            let _ = write!(out, "⟨U+{code:04X}⟩");
        }
        other => out.push(other),
    }
}

/// JSON that can stand in a script element: nothing in it ends the element or begins a comment.
pub(super) fn json_block(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}
