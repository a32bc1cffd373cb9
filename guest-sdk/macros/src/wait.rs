//! `wait = …` and `order = …`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, LitStr, Result, parenthesized};

use crate::text::{duration, range};

/// How long a user pauses.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    None,
    Constant(Duration),
    Between(Duration, Duration),
    Pacing(Duration),
    Exponential(Duration),
}

const WAITS: &str = "a wait is `none`, \"2s\", \"1s..3s\", `pacing(\"1s\")`, `throughput(2.0)` or \
                     `exponential(\"1s\")`";

impl Parse for Wait {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitStr) {
            return Self::from_text(&input.parse()?);
        }
        if input.peek(Lit) {
            return Ok(Self::Constant(duration(&input.parse()?)?));
        }
        let kind: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), WAITS))?;
        if kind == "none" {
            return Ok(Self::None);
        }
        if !["pacing", "throughput", "exponential"].iter().any(|known| kind == known) {
            return Err(syn::Error::new(kind.span(), WAITS));
        }
        let content;
        parenthesized!(content in input);
        let value: Lit = content.parse()?;
        if !content.is_empty() {
            return Err(content.error("one value is enough"));
        }
        if kind == "throughput" {
            return throughput(&value);
        }
        let span = duration(&value)?;
        Ok(if kind == "pacing" { Self::Pacing(span) } else { Self::Exponential(span) })
    }
}

/// Tasks per second, as a period.
fn throughput(value: &Lit) -> Result<Wait> {
    let rate = match value {
        Lit::Int(number) => number.base10_parse::<f64>()?,
        Lit::Float(number) => number.base10_parse::<f64>()?,
        _ => return Err(syn::Error::new(value.span(), "tasks per second, such as `2.0`")),
    };
    match Duration::try_from_secs_f64(1.0 / rate) {
        Ok(period) => Ok(Wait::Pacing(period)),
        Err(_) => Err(syn::Error::new(value.span(), "a throughput is above zero")),
    }
}

impl Wait {
    fn from_text(text: &LitStr) -> Result<Self> {
        if text.value().trim() == "none" {
            return Ok(Self::None);
        }
        let (low, high) =
            range(text, crate::duration::read, "\"1s..3s\", nor a duration such as \"500ms\"")?;
        Ok(if low == high { Self::Constant(low) } else { Self::Between(low, high) })
    }

    pub(crate) fn tokens(self) -> TokenStream {
        let wait = quote!(::loadhost_sdk::description::WaitTime);
        match self {
            Self::None => quote!(#wait::None),
            Self::Constant(span) => one(&wait, quote!(Constant), span),
            Self::Between(low, high) => {
                let (low, high) = (duration_tokens(low), duration_tokens(high));
                quote!(#wait::Between(#low, #high))
            }
            Self::Pacing(span) => one(&wait, quote!(Pacing), span),
            Self::Exponential(span) => one(&wait, quote!(Exponential), span),
        }
    }
}

fn one(wait: &TokenStream, kind: TokenStream, span: Duration) -> TokenStream {
    let span = duration_tokens(span);
    quote!(#wait::#kind(#span))
}

pub(crate) fn duration_tokens(span: Duration) -> TokenStream {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_nanos(#nanos))
}

/// How the next task is chosen.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Weighted,
    Sequential,
    Shuffled,
    Markov,
}

impl Parse for Order {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let known = "an order is `weighted`, `sequential`, `shuffled` or `markov`";
        let order: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), known))?;
        match order.to_string().as_str() {
            "weighted" => Ok(Self::Weighted),
            "sequential" => Ok(Self::Sequential),
            "shuffled" => Ok(Self::Shuffled),
            "markov" => Ok(Self::Markov),
            _ => Err(syn::Error::new(order.span(), known)),
        }
    }
}

impl Order {
    pub(crate) fn tokens(self) -> TokenStream {
        let order = quote!(::loadhost_sdk::description::Order);
        match self {
            Self::Weighted => quote!(#order::Weighted),
            Self::Sequential => quote!(#order::Sequential),
            Self::Shuffled => quote!(#order::Shuffled),
            Self::Markov => quote!(#order::Markov),
        }
    }
}
