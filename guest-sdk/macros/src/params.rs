//! `#[derive(Params)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Expr, Field, Fields, Ident, Lit, LitBool, LitStr, Meta, Result,
    Token, Type,
};

use crate::task::{separator, texts, value};

/// `#[param(…)]`.
#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    default: Option<Default>,
    kind: Option<LitStr>,
    choice: Vec<LitStr>,
    secret: bool,
}

/// A literal with an optional minus.
struct Default {
    text: String,
    place: proc_macro2::Span,
}

impl Parse for Default {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let minus = input.parse::<Option<Token![-]>>()?.map_or("", |_| "-");
        let literal: Lit = input.parse()?;
        let text = match &literal {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => number.base10_digits().to_string(),
            Lit::Float(number) => number.base10_digits().to_string(),
            Lit::Bool(LitBool { value, .. }) => value.to_string(),
            _ => {
                return Err(syn::Error::new(
                    literal.span(),
                    "a default is a text, a number or a boolean",
                ));
            }
        };
        Ok(Self { text: format!("{minus}{text}"), place: literal.span() })
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "default" => arguments.default = Some(value(input)?),
                "name" => arguments.name = Some(value(input)?),
                "kind" => arguments.kind = Some(value(input)?),
                "choice" => arguments.choice = texts(input)?,
                "secret" => arguments.secret = true,
                _ => {
                    let known =
                        "a parameter has `default`, `secret`, `choice(…)`, `kind` and `name`";
                    return Err(syn::Error::new(key.span(), known));
                }
            }
            separator(input)?;
        }
        Ok(arguments)
    }
}

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let fields = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(fields) => {
                return Err(syn::Error::new(fields.span(), "parameters have names"));
            }
        },
        _ => return Err(syn::Error::new(item.ident.span(), "parameters are a struct")),
    };
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new(
            item.generics.span(),
            "parameters are a struct without type parameters",
        ));
    }
    let read = fields.into_iter().map(read_field).collect::<Result<Vec<_>>>()?;
    let values = read.iter().map(|field| &field.value);
    let parameters = read.iter().map(|field| &field.parameter);
    let name = &item.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::loadhost_sdk::Given for #name {
            fn given(_: &::loadhost_sdk::Context) -> ::loadhost_sdk::Outcome<Self> {
                ::core::result::Result::Ok(Self { #(#values),* })
            }

            fn parameters() -> ::std::vec::Vec<::loadhost_sdk::description::Parameter> {
                ::std::vec![#(#parameters),*]
            }
        }
    })
}

struct Written {
    value: TokenStream,
    parameter: TokenStream,
}

fn read_field(field: &Field) -> Result<Written> {
    let Some(ident) = &field.ident else {
        return Err(syn::Error::new(field.span(), "parameters have names"));
    };
    let mut arguments = Arguments::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("param")) {
        arguments = attribute.parse_args()?;
    }
    let ty = &field.ty;
    if let Some(default) = &arguments.default {
        check_default(ty, default, &arguments.choice)?;
    }
    let name = arguments.name.as_ref().map_or_else(|| ident.to_string(), LitStr::value);
    let help = help(&field.attrs);
    let secret = arguments.secret;
    let default = match &arguments.default {
        Some(Default { text, .. }) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    };
    let kind = if !arguments.choice.is_empty() {
        let choices: Vec<_> = arguments.choice.iter().map(LitStr::value).collect();
        let kind = format!("choice:{}", choices.join("|"));
        quote!(#kind)
    } else if let Some(kind) = &arguments.kind {
        check_kind(kind)?;
        quote!(#kind)
    } else {
        quote_spanned!(ty.span()=> <#ty as ::loadhost_sdk::ParamValue>::KIND)
    };
    Ok(Written {
        value: quote_spanned!(ty.span()=> #ident: ::loadhost_sdk::private::param_value::<#ty>(#name, #default)?),
        parameter: quote! {
            ::loadhost_sdk::description::Parameter {
                name: #name.into(),
                kind: #kind.into(),
                default: #default.or(<#ty as ::loadhost_sdk::ParamValue>::ABSENT).map(::core::convert::Into::into),
                help: #help.into(),
                secret: #secret,
            }
        },
    })
}

/// Finds at compile time what would otherwise fail at the start of each user.
fn check_default(ty: &Type, default: &Default, choice: &[LitStr]) -> Result<()> {
    let Type::Path(path) = ty else { return Ok(()) };
    let Some(name) = path.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return Ok(());
    };
    let text = &default.text;
    let fits = match name.as_str() {
        "u8" => text.parse::<u8>().is_ok(),
        "u16" => text.parse::<u16>().is_ok(),
        "u32" => text.parse::<u32>().is_ok(),
        "u64" | "usize" => text.parse::<u64>().is_ok(),
        "i8" => text.parse::<i8>().is_ok(),
        "i16" => text.parse::<i16>().is_ok(),
        "i32" => text.parse::<i32>().is_ok(),
        "i64" | "isize" => text.parse::<i64>().is_ok(),
        "f32" | "f64" => text.parse::<f64>().is_ok(),
        "bool" => text.parse::<bool>().is_ok(),
        "Duration" => crate::duration::read(text).is_some(),
        _ => true,
    };
    if !fits {
        return Err(syn::Error::new(default.place, format!("`{text}` is no {name}")));
    }
    if !choice.is_empty() && !choice.iter().any(|known| known.value() == *text) {
        return Err(syn::Error::new(default.place, format!("`{text}` is none of the choices")));
    }
    Ok(())
}

fn check_kind(kind: &LitStr) -> Result<()> {
    let known = ["string", "integer", "number", "boolean", "duration", "url"];
    if known.contains(&kind.value().as_str()) {
        return Ok(());
    }
    Err(syn::Error::new(
        kind.span(),
        format!("a kind is one of {}; or write `choice(\"a\", \"b\")`", known.join(", ")),
    ))
}

/// The doc comment in one line.
fn help(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(
        |attribute| match &attribute.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value().trim().to_string()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        },
    );
    lines.collect::<Vec<_>>().join(" ").trim().to_string()
}
