//! The grammar of placement expressions.

use super::{Expression, MAX_DEPTH, MAX_LENGTH};

/// Why a text is no placement expression. Positions are bytes, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// Something else was to come.
    #[error(
        "placement `{text}`: {expected} is expected at position {at}, not {found}; write it like \
         `region=eu && type!=small`, with `||`, `!` and parentheses"
    )]
    Unexpected {
        /// As given.
        text: String,
        /// Where.
        at: usize,
        /// What would fit.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Longer than [`MAX_LENGTH`].
    #[error(
        "placement has {0} bytes, and may have {MAX_LENGTH}: give the workers a tag that says the same"
    )]
    TooLong(usize),
    /// Deeper than [`MAX_DEPTH`].
    #[error(
        "placement `{0}` is nested deeper than {MAX_DEPTH}: give the workers a tag that says the same"
    )]
    TooDeep(String),
}

/// What names and values may have without quotes.
pub(super) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '+')
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Equal,
    Unequal,
    Not,
    And,
    Or,
    Open,
    Close,
    /// A character that begins nothing.
    Foreign(char),
    /// A `"` without its partner.
    Unclosed,
    End,
}

impl Token<'_> {
    fn found(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Equal => "`=`".to_string(),
            Self::Unequal => "`!=`".to_string(),
            Self::Not => "`!`".to_string(),
            Self::And => "`&&`".to_string(),
            Self::Or => "`||`".to_string(),
            Self::Open => "`(`".to_string(),
            Self::Close => "`)`".to_string(),
            Self::Foreign(c) => format!("`{c}`"),
            Self::Unclosed => "a `\"` that is never closed".to_string(),
            Self::End => "the end".to_string(),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Where the next token begins.
    at: usize,
    token: Token<'a>,
    /// Where what follows it begins.
    next: usize,
    depth: usize,
}

pub(super) fn expression(text: &str) -> Result<Expression, PlacementError> {
    if text.len() > MAX_LENGTH {
        return Err(PlacementError::TooLong(text.len()));
    }
    let mut parser = Parser { text, at: 0, token: Token::End, next: 0, depth: 0 };
    parser.advance();
    let expression = parser.any()?;
    match parser.token {
        Token::End => Ok(expression),
        _ => Err(parser.unexpected("`&&`, `||` or the end")),
    }
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Expression, PlacementError> {
        let mut parts = vec![self.all()?];
        while self.token == Token::Or {
            self.advance();
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, PlacementError> {
        let mut parts = vec![self.unary()?];
        while self.token == Token::And {
            self.advance();
            parts.push(self.unary()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn unary(&mut self) -> Result<Expression, PlacementError> {
        if !matches!(self.token, Token::Not | Token::Open) {
            return self.test();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PlacementError::TooDeep(self.text.to_string()));
        }
        let negated = self.token == Token::Not;
        self.advance();
        let inner = if negated {
            Expression::Not(Box::new(self.unary()?))
        } else {
            let inner = self.any()?;
            if self.token != Token::Close {
                return Err(self.unexpected("`&&`, `||` or `)`"));
            }
            self.advance();
            inner
        };
        self.depth -= 1;
        Ok(inner)
    }

    fn test(&mut self) -> Result<Expression, PlacementError> {
        let name = self.word("a tag")?;
        let negated = match self.token {
            Token::Equal => false,
            Token::Unequal => true,
            _ => return Ok(Expression::Has(name)),
        };
        self.advance();
        let is = Expression::Is(name, self.word("a value")?);
        Ok(if negated { Expression::Not(Box::new(is)) } else { is })
    }

    fn word(&mut self, expected: &'static str) -> Result<String, PlacementError> {
        let Token::Word(word) = self.token else { return Err(self.unexpected(expected)) };
        self.advance();
        Ok(word.to_string())
    }

    fn unexpected(&self, expected: &'static str) -> PlacementError {
        let (text, found) = (self.text.to_string(), self.token.found());
        PlacementError::Unexpected { text, at: self.at, expected, found }
    }

    fn advance(&mut self) {
        let rest = &self.text[self.next..];
        let blank = rest.len() - rest.trim_start().len();
        self.at = self.next + blank;
        let (token, length) = token(&self.text[self.at..]);
        (self.token, self.next) = (token, self.at + length);
    }
}

/// The first token of a text, and how many bytes it has.
fn token(rest: &str) -> (Token<'_>, usize) {
    let signs = [
        ("&&", Token::And),
        ("||", Token::Or),
        ("!=", Token::Unequal),
        ("==", Token::Equal),
        ("=", Token::Equal),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
    ];
    if let Some((sign, token)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
        return (token, sign.len());
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        return match quoted.find('"') {
            Some(end) => (Token::Word(&quoted[..end]), end + 2),
            None => (Token::Unclosed, rest.len()),
        };
    }
    let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
    match rest.chars().next() {
        None => (Token::End, 0),
        Some(c) if end == 0 => (Token::Foreign(c), c.len_utf8()),
        Some(_) => (Token::Word(&rest[..end]), end),
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => many(parts),
    }
}
