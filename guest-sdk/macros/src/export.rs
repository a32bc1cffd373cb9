//! `export!(Shopper, Admin; setup = make_data, …)`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Ident, Lit, LitStr, Path, Result, Token, Type, braced, bracketed, parenthesized};

use crate::task::{separator, value};
use crate::text::{duration, threshold};
use crate::wait::duration_tokens;

/// Of the name of a data set.
const MAX_NAME_BYTES: usize = 100;

/// What is exported.
#[derive(Default)]
struct Arguments {
    users: Vec<Path>,
    name: Option<LitStr>,
    setup: Option<Path>,
    teardown: Option<Path>,
    shape: Option<Type>,
    params: Vec<Type>,
    thresholds: Vec<TokenStream>,
    data: Vec<LitStr>,
    hosts: Vec<LitStr>,
    settings: Vec<(String, String)>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() && !input.peek(Token![;]) {
            arguments.users.push(input.parse()?);
            if !input.peek(Token![;]) {
                separator(input)?;
            }
        }
        if arguments.users.is_empty() {
            return Err(input.error("name at least one user type: `export!(Shopper)`"));
        }
        input.parse::<Option<Token![;]>>()?;
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            arguments.read(&key, input)?;
            separator(input)?;
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn read(&mut self, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        match key.to_string().as_str() {
            "name" => self.name = Some(value(input)?),
            "setup" => self.setup = Some(value(input)?),
            "teardown" => self.teardown = Some(value(input)?),
            "shape" => self.shape = Some(value(input)?),
            "params" => self.params.push(value(input)?),
            "data" => self.data = data_sets(input)?,
            "hosts" => self.hosts = list(input)?,
            "thresholds" => {
                self.thresholds = list::<Threshold>(input)?.into_iter().map(|it| it.0).collect()
            }
            "settings" => self.settings = settings(input)?,
            _ => {
                let known = "a scenario has `setup`, `teardown`, `shape`, `thresholds`, `settings`, `data`, \
                             `hosts`, `params` and `name`";
                return Err(syn::Error::new(key.span(), known));
            }
        }
        Ok(())
    }
}

/// `= [a, b]`.
fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    input.parse::<Token![=]>()?;
    let content;
    bracketed!(content in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// `= ["users", "items"]`: names of data sets, each once.
fn data_sets(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let names: Vec<LitStr> = list(input)?;
    for (index, name) in names.iter().enumerate() {
        let text = name.value();
        let fault = if text.is_empty() || text.len() > MAX_NAME_BYTES {
            format!("a data set has a name of 1 to {MAX_NAME_BYTES} bytes")
        } else if text.contains(['=', ',']) || text.contains(char::is_whitespace) {
            "the name of a data set has no `=`, comma or space: it is given as `--data NAME=FILE`"
                .into()
        } else if names[..index].iter().any(|before| before.value() == text) {
            format!("data set `{text}` is named twice")
        } else {
            continue;
        };
        return Err(syn::Error::new(name.span(), fault));
    }
    Ok(names)
}

/// `= { users: 10, "run-time": "30s" }`.
fn settings(input: ParseStream<'_>) -> Result<Vec<(String, String)>> {
    input.parse::<Token![=]>()?;
    let content;
    braced!(content in input);
    let mut settings = Vec::new();
    while !content.is_empty() {
        let key = if content.peek(LitStr) {
            content.parse::<LitStr>()?.value()
        } else {
            content.call(Ident::parse_any)?.to_string().replace('_', "-")
        };
        content.parse::<Token![:]>()?;
        let literal: Lit = content.parse()?;
        let text = match &literal {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => number.base10_digits().to_string(),
            Lit::Float(number) => number.base10_digits().to_string(),
            Lit::Bool(value) => value.value.to_string(),
            _ => {
                return Err(syn::Error::new(
                    literal.span(),
                    "a setting is a text, a number or a boolean",
                ));
            }
        };
        settings.push((key, text));
        separator(&content)?;
    }
    Ok(settings)
}

/// `"checks > 99%"` or `abort("checks > 99%", after = "10s")`.
struct Threshold(TokenStream);

impl Parse for Threshold {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitStr) {
            return Self::of(&input.parse()?, None);
        }
        let word: Ident = input.parse()?;
        if word != "abort" {
            return Err(syn::Error::new(
                word.span(),
                "a threshold is a text, or `abort(\"…\", after = \"10s\")`",
            ));
        }
        let content;
        parenthesized!(content in input);
        let text = content.parse()?;
        separator(&content)?;
        let mut after = std::time::Duration::ZERO;
        if !content.is_empty() {
            let key: Ident = content.parse()?;
            if key != "after" {
                return Err(syn::Error::new(key.span(), "only `after = \"10s\"` can stand here"));
            }
            after = duration(&value(&content)?)?;
        }
        Self::of(&text, Some(after))
    }
}

impl Threshold {
    fn of(text: &LitStr, abort_after: Option<std::time::Duration>) -> Result<Self> {
        let read = threshold(text)?;
        let (metric, condition) = (read.metric, read.condition);
        let tags = read.tags.into_iter().map(|(key, value)| quote!((#key.into(), #value.into())));
        let abort_after = match abort_after {
            Some(after) => {
                let after = duration_tokens(after);
                quote!(::core::option::Option::Some(#after))
            }
            None => quote!(::core::option::Option::None),
        };
        Ok(Self(quote! {
            ::loadhost_sdk::description::Threshold {
                metric: #metric.into(),
                tags: ::std::vec![#(#tags),*],
                condition: #condition.into(),
                abort_after: #abort_after,
            }
        }))
    }
}

pub(crate) fn expand(arguments: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let description = description(&arguments);
    let users = (0u32..).zip(&arguments.users).map(|(index, user)| {
        quote_spanned!(user.span()=> #index => ::std::boxed::Box::new(<#user as ::core::default::Default>::default()))
    });
    let setup = match &arguments.setup {
        Some(setup) => quote_spanned! {setup.span()=>
            ::loadhost_sdk::private::to_setup_data(&::loadhost_sdk::Hook::call(&#setup, scope)?)
        },
        None => quote!(::core::result::Result::Ok(::std::string::String::new())),
    };
    let teardown = match &arguments.teardown {
        Some(teardown) => quote_spanned! {teardown.span()=>
            let () = ::loadhost_sdk::Hook::call(&#teardown, scope)?;
        },
        None => quote!(),
    };
    let shape = arguments.shape.iter();
    Ok(quote! {
        /// What `export!` makes of its arguments; tests call `setup` and `teardown` of it.
        #[derive(Debug)]
        pub struct Scenario;

        #[automatically_derived]
        impl ::loadhost_sdk::ScenarioDefinition for Scenario {
            fn description() -> ::core::result::Result<
                ::loadhost_sdk::description::Description,
                ::std::string::String,
            > {
                #description
            }

            fn user(user_type: u32) -> ::core::option::Option<::std::boxed::Box<dyn ::loadhost_sdk::AnyUser>> {
                ::core::option::Option::Some(match user_type {
                    #(#users,)*
                    _ => return ::core::option::Option::None,
                })
            }

            #[allow(unused_variables)]
            fn setup(scope: &::loadhost_sdk::Scope) -> ::loadhost_sdk::Outcome<::std::string::String> {
                #setup
            }

            #[allow(unused_variables)]
            fn teardown(scope: &::loadhost_sdk::Scope) -> ::loadhost_sdk::Outcome {
                #teardown
                ::core::result::Result::Ok(())
            }
        }

        ::loadhost_sdk::__export_component!(Scenario #(, #shape)*);
    })
}

fn description(arguments: &Arguments) -> TokenStream {
    let Arguments { users, thresholds, data, hosts, params, .. } = arguments;
    let name = match &arguments.name {
        Some(name) => quote!(#name),
        None => quote!(::core::option_env!("CARGO_PKG_NAME").unwrap_or("scenario")),
    };
    let user_types = users
        .iter()
        .map(|user| quote_spanned!(user.span()=> <#user as ::loadhost_sdk::User>::user_type()));
    let of_users = users.iter().map(|user| quote!(<#user as ::loadhost_sdk::User>::parameters()));
    let of_hooks = arguments
        .setup
        .iter()
        .chain(&arguments.teardown)
        .map(|hook| quote_spanned!(hook.span()=> ::loadhost_sdk::Hook::parameters(&#hook)));
    let of_params = params.iter().map(
        |params| quote_spanned!(params.span()=> <#params as ::loadhost_sdk::Given>::parameters()),
    );
    let settings =
        arguments.settings.iter().map(|(key, value)| quote!((#key.into(), #value.into())));
    quote! {
        ::core::result::Result::Ok(::loadhost_sdk::description::Description {
            name: #name.into(),
            version: ::core::option_env!("CARGO_PKG_VERSION").map(::core::convert::Into::into),
            user_types: ::std::vec![#(#user_types),*],
            thresholds: ::std::vec![#(#thresholds),*],
            data_sets: ::std::vec![#(#data.into()),*],
            hosts: ::std::vec![#(#hosts.into()),*],
            parameters: ::loadhost_sdk::private::merge_parameters([
                #(#of_users,)* #(#of_hooks,)* #(#of_params,)*
            ])?,
            settings: ::std::vec![#(#settings),*],
        })
    }
}
