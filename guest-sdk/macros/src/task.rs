//! `#[task(…)]` and the method below it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    FnArg, Ident, ImplItemFn, LitInt, LitStr, ReceiverKind, Result, Token, Type, parenthesized,
};

use crate::wait::Wait;

/// The arguments of `#[task(…)]`.
#[derive(Default)]
pub(crate) struct TaskArguments {
    pub(crate) name: Option<LitStr>,
    pub(crate) weight: Option<u32>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) wait: Option<Wait>,
    pub(crate) group: Option<LitStr>,
    pub(crate) next: Vec<(Ident, u32)>,
}

impl Parse for TaskArguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        if input.peek(LitInt) {
            arguments.weight = Some(input.parse::<LitInt>()?.base10_parse()?);
            separator(input)?;
        }
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "weight" => arguments.weight = Some(number(input)?),
                "name" => arguments.name = Some(value(input)?),
                "wait" => arguments.wait = Some(value(input)?),
                "group" => arguments.group = Some(value(input)?),
                "tags" => arguments.tags = texts(input)?,
                "next" => arguments.next = successors(input)?,
                _ => {
                    let known =
                        "a task has `weight`, `name`, `tags(…)`, `wait`, `group` and `next(…)`";
                    return Err(syn::Error::new(key.span(), known));
                }
            }
            separator(input)?;
        }
        Ok(arguments)
    }
}

/// A comma, or the end.
pub(crate) fn separator(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

/// `= value`.
pub(crate) fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `= 3`.
pub(crate) fn number(input: ParseStream<'_>) -> Result<u32> {
    value::<LitInt>(input)?.base10_parse()
}

/// `("a", "b")` or `= "a"`.
pub(crate) fn texts(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    if input.peek(Token![=]) {
        return Ok(vec![value(input)?]);
    }
    let content;
    parenthesized!(content in input);
    Ok(content.parse_terminated(<LitStr as Parse>::parse, Token![,])?.into_iter().collect())
}

/// `(checkout = 3, browse)`.
fn successors(input: ParseStream<'_>) -> Result<Vec<(Ident, u32)>> {
    let content;
    parenthesized!(content in input);
    let mut successors = Vec::new();
    while !content.is_empty() {
        let task = content.parse()?;
        let weight = if content.peek(Token![=]) { number(&content)? } else { 1 };
        successors.push((task, weight));
        separator(&content)?;
    }
    Ok(successors)
}

/// A method that the host calls: its name, and the types of what it is given.
pub(crate) struct Method {
    pub(crate) name: Ident,
    given: Vec<Type>,
}

impl Method {
    /// Refuses signatures that cannot be called.
    pub(crate) fn of(method: &ImplItemFn) -> Result<Self> {
        let signature = &method.sig;
        if let Some(keyword) = &signature.asyncness {
            let why = "tasks are plain functions: the host suspends the user while it waits";
            return Err(syn::Error::new(keyword.span(), why));
        }
        if let Some(parameter) = signature.generics.type_params().next() {
            return Err(syn::Error::new(parameter.span(), "a task has no type parameters"));
        }
        let mut inputs = signature.inputs.iter();
        match inputs.next() {
            Some(FnArg::Receiver(receiver))
                if matches!(receiver.kind, ReceiverKind::Reference(..)) => {}
            other => {
                let place = other.map_or(signature.ident.span(), Spanned::span);
                return Err(syn::Error::new(place, "a task begins with `&mut self`"));
            }
        }
        let given = inputs.map(|input| match input {
            FnArg::Typed(argument) => match &*argument.ty {
                Type::Reference(reference) if reference.mutability.is_none() => {
                    Ok((*reference.elem).clone())
                }
                other => Err(not_given(other)),
            },
            FnArg::Receiver(receiver) => Err(not_given(receiver)),
        });
        Ok(Self { name: signature.ident.clone(), given: given.collect::<Result<_>>()? })
    }

    /// The types of its arguments.
    pub(crate) fn given(&self) -> &[Type] {
        &self.given
    }

    /// A block that calls it and gives an `Outcome`. Faults of the types point at the signature.
    pub(crate) fn call(&self) -> TokenStream {
        let name = &self.name;
        let arguments = self
            .given
            .iter()
            .map(|given| quote_spanned!(given.span()=> &*scope.given::<#given>()?));
        let call = quote_spanned!(name.span()=> ::loadhost_sdk::IntoOutcome::into_outcome(self.#name(#(#arguments),*)));
        quote!({ #call })
    }
}

fn not_given(place: &impl Spanned) -> syn::Error {
    let why = "a user is given references: `&YourParams`, `&Setup<T>` or `&Context`";
    syn::Error::new(place.span(), why)
}
