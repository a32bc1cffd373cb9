//! `#[user(…)] impl Shopper { … }`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{
    Attribute, Ident, ImplItem, ItemImpl, LitInt, LitStr, Meta, Result, Type, parenthesized,
};

use crate::task::{Method, TaskArguments, number, separator, texts, value};
use crate::text::range;
use crate::wait::{Order, Wait};

/// The arguments of `#[user(…)]`.
struct UserArguments {
    name: Option<LitStr>,
    weight: u32,
    count: Option<u32>,
    wait: Wait,
    order: Order,
    groups: Vec<Group>,
}

/// `group(name = "browse", …)`.
struct Group {
    name: LitStr,
    weight: u32,
    tags: Vec<LitStr>,
    order: Order,
    rounds: (u32, u32),
    parent: Option<LitStr>,
}

/// A task with its method.
struct Task {
    arguments: TaskArguments,
    method: Method,
}

/// What stands in the impl.
#[derive(Default)]
struct Members {
    tasks: Vec<Task>,
    on_start: Option<Method>,
    on_stop: Option<Method>,
}

impl Parse for UserArguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self {
            name: None,
            weight: 1,
            count: None,
            wait: Wait::None,
            order: Order::Weighted,
            groups: Vec::new(),
        };
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" => arguments.name = Some(value(input)?),
                "weight" => arguments.weight = number(input)?,
                "count" => arguments.count = Some(number(input)?),
                "wait" => arguments.wait = value(input)?,
                "order" => arguments.order = value(input)?,
                "group" => arguments.groups.push(Group::parse(&key, input)?),
                _ => {
                    let known =
                        "a user has `weight`, `count`, `wait`, `order`, `group(…)` and `name`";
                    return Err(syn::Error::new(key.span(), known));
                }
            }
            separator(input)?;
        }
        Ok(arguments)
    }
}

impl Group {
    fn parse(place: &Ident, input: ParseStream<'_>) -> Result<Self> {
        let content;
        parenthesized!(content in input);
        let (mut name, mut weight, mut tags, mut order) = (None, 1, Vec::new(), Order::Weighted);
        let (mut rounds, mut parent) = ((0, 0), None);
        while !content.is_empty() {
            let key: Ident = content.parse()?;
            match key.to_string().as_str() {
                "name" => name = Some(value(&content)?),
                "weight" => weight = number(&content)?,
                "tags" => tags = texts(&content)?,
                "order" => order = value(&content)?,
                "parent" => parent = Some(value(&content)?),
                "rounds" => rounds = parse_rounds(&content)?,
                _ => {
                    let known =
                        "a group has `name`, `weight`, `order`, `rounds`, `tags(…)` and `parent`";
                    return Err(syn::Error::new(key.span(), known));
                }
            }
            separator(&content)?;
        }
        let name = name.ok_or_else(|| {
            syn::Error::new(place.span(), "a group has a name: `group(name = \"…\")`")
        })?;
        Ok(Self { name, weight, tags, order, rounds, parent })
    }
}

/// `= 3` or `= "2..5"`.
fn parse_rounds(input: ParseStream<'_>) -> Result<(u32, u32)> {
    input.parse::<syn::Token![=]>()?;
    if input.peek(LitInt) {
        let rounds = input.parse::<LitInt>()?.base10_parse()?;
        return Ok((rounds, rounds));
    }
    range(&input.parse()?, |text| text.parse().ok(), "\"2..5\"")
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(_) => {
            let why = "`#[user]` stands on an `impl` block: `#[user] impl Shopper { #[task] … }`";
            let fault = syn::Error::new_spanned(&item, why).into_compile_error();
            return quote!(#fault #item);
        }
    };
    let members = take_members(&mut block);
    let expanded = members.and_then(|members| {
        let arguments = UserArguments::parse.parse2(arguments)?;
        implementation(&block, &arguments, &members)
    });
    // The impl stays whatever is wrong, so that its methods do not seem to be missing too.
    let rest = expanded.unwrap_or_else(syn::Error::into_compile_error);
    quote!(#block #rest)
}

/// Takes the attributes off the methods and reads them; all faults in one error.
fn take_members(block: &mut ItemImpl) -> Result<Members> {
    let mut members = Members::default();
    let mut faults: Option<syn::Error> = None;
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let (own, others) =
            std::mem::take(&mut method.attrs).into_iter().partition(|a| role(a).is_some());
        method.attrs = others;
        let own: Vec<Attribute> = own;
        for attribute in own {
            if let Err(fault) = take_member(&mut members, &attribute, method) {
                match &mut faults {
                    Some(faults) => faults.combine(fault),
                    None => faults = Some(fault),
                }
            }
        }
    }
    match faults {
        Some(faults) => Err(faults),
        None => Ok(members),
    }
}

fn role(attribute: &Attribute) -> Option<&'static str> {
    let last = attribute.path().segments.last()?;
    ["task", "on_start", "on_stop"].into_iter().find(|role| last.ident == role)
}

fn take_member(
    members: &mut Members,
    attribute: &Attribute,
    method: &syn::ImplItemFn,
) -> Result<()> {
    let role = role(attribute).unwrap_or_default();
    if role == "task" {
        let arguments = match &attribute.meta {
            Meta::Path(_) => TaskArguments::default(),
            Meta::List(list) => list.parse_args()?,
            Meta::NameValue(pair) => {
                return Err(syn::Error::new(pair.span(), "write `#[task(weight = 3)]`"));
            }
        };
        members.tasks.push(Task { arguments, method: Method::of(method)? });
        return Ok(());
    }
    let place = if role == "on_start" { &mut members.on_start } else { &mut members.on_stop };
    if place.is_some() {
        return Err(syn::Error::new(attribute.span(), format!("there is an `#[{role}]` already")));
    }
    *place = Some(Method::of(method)?);
    Ok(())
}

fn implementation(
    block: &ItemImpl,
    arguments: &UserArguments,
    members: &Members,
) -> Result<TokenStream> {
    let this = &*block.self_ty;
    if let Some((trait_path, _)) = &block.trait_ {
        return Err(syn::Error::new(
            trait_path.span(),
            "`#[user]` stands on the type's own `impl`, without a trait",
        ));
    }
    if !block.generics.params.is_empty() {
        return Err(syn::Error::new(block.generics.span(), "a user type has no parameters"));
    }
    if members.tasks.is_empty() {
        return Err(syn::Error::new(
            this.span(),
            "a user needs at least one method with `#[task]`",
        ));
    }
    let user_type = user_type(this, arguments, &members.tasks)?;
    let given: Vec<&Type> = members
        .tasks
        .iter()
        .map(|task| &task.method)
        .chain(&members.on_start)
        .chain(&members.on_stop)
        .flat_map(Method::given)
        .collect();
    let parameters = given.iter().map(
        |given| quote_spanned!(given.span()=> <#given as ::loadhost_sdk::Given>::parameters()),
    );
    let hook = |method: &Option<Method>| match method {
        Some(method) => method.call(),
        None => quote!({ ::core::result::Result::Ok(()) }),
    };
    let (on_start, on_stop) = (hook(&members.on_start), hook(&members.on_stop));
    let arms = (0u32..).zip(&members.tasks).map(|(index, task)| {
        let call = task.method.call();
        quote!(#index => #call)
    });
    let outcome = quote!(::loadhost_sdk::Outcome);
    Ok(quote! {
        #[automatically_derived]
        impl ::loadhost_sdk::User for #this {
            fn user_type() -> ::loadhost_sdk::description::UserType {
                #user_type
            }

            fn parameters() -> ::std::vec::Vec<::loadhost_sdk::description::Parameter> {
                let mut all = ::std::vec::Vec::new();
                for some in [::std::vec::Vec::new(), #(#parameters),*] {
                    for parameter in some {
                        if !all.contains(&parameter) {
                            all.push(parameter);
                        }
                    }
                }
                all
            }

            #[allow(unused_variables)]
            fn on_start(&mut self, scope: &::loadhost_sdk::Scope) -> #outcome #on_start

            #[allow(unused_variables)]
            fn run_task(&mut self, task: u32, scope: &::loadhost_sdk::Scope) -> #outcome {
                match task {
                    #(#arms)*
                    _ => ::core::result::Result::Err(::loadhost_sdk::Failure::AbortRun(
                        ::std::format!("there is no task {task}"),
                    )),
                }
            }

            #[allow(unused_variables)]
            fn on_stop(&mut self, scope: &::loadhost_sdk::Scope) -> #outcome #on_stop
        }
    })
}

fn user_type(this: &Type, arguments: &UserArguments, tasks: &[Task]) -> Result<TokenStream> {
    let name = match (&arguments.name, this) {
        (Some(name), _) => name.value(),
        (None, Type::Path(path)) => {
            path.path.segments.last().map(|it| it.ident.to_string()).unwrap_or_default()
        }
        (None, other) => return Err(syn::Error::new(other.span(), "a user type is a struct")),
    };
    let UserArguments { weight, wait, order, .. } = arguments;
    let (wait, order, count) = (wait.tokens(), order.tokens(), option(arguments.count));
    let task_tokens = tasks.iter().map(|task| task_tokens(task, tasks, &arguments.groups));
    let task_tokens = task_tokens.collect::<Result<Vec<_>>>()?;
    reject_doubles(tasks.iter().map(|task| (task_name(task), task_place(task))), "task")?;
    let groups = &arguments.groups;
    reject_doubles(groups.iter().map(|group| (group.name.value(), group.name.span())), "group")?;
    let group_tokens =
        groups.iter().enumerate().map(|(at, group)| group_tokens(group, &groups[..at]));
    let group_tokens = group_tokens.collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        ::loadhost_sdk::description::UserType {
            name: #name.into(),
            weight: #weight,
            fixed_count: #count,
            wait: #wait,
            order: #order,
            tasks: ::std::vec![#(#task_tokens),*],
            groups: ::std::vec![#(#group_tokens),*],
        }
    })
}

fn task_name(task: &Task) -> String {
    task.arguments.name.as_ref().map_or_else(|| task.method.name.to_string(), LitStr::value)
}

fn task_place(task: &Task) -> proc_macro2::Span {
    task.arguments.name.as_ref().map_or_else(|| task.method.name.span(), LitStr::span)
}

fn reject_doubles(
    names: impl Iterator<Item = (String, proc_macro2::Span)>,
    what: &str,
) -> Result<()> {
    let mut known = Vec::new();
    for (name, place) in names {
        if known.contains(&name) {
            return Err(syn::Error::new(place, format!("there is a {what} `{name}` already")));
        }
        known.push(name);
    }
    Ok(())
}

fn task_tokens(task: &Task, tasks: &[Task], groups: &[Group]) -> Result<TokenStream> {
    let TaskArguments { weight, tags, wait, group, next, .. } = &task.arguments;
    let name = task_name(task);
    let weight = weight.unwrap_or(1);
    let wait = match wait {
        Some(wait) => {
            let wait = wait.tokens();
            quote!(::core::option::Option::Some(#wait))
        }
        None => quote!(::core::option::Option::None),
    };
    let group = option(group.as_ref().map(|name| find_group(name, groups)).transpose()?);
    let next = next.iter().map(|(method, weight)| {
        let index = (0u32..).zip(tasks).find(|(_, task)| task.method.name == *method);
        let fault = || {
            syn::Error::new(
                method.span(),
                format!("there is no task method `{method}` in this impl"),
            )
        };
        let (index, _) = index.ok_or_else(fault)?;
        Ok(quote!((#index, #weight)))
    });
    let next = next.collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        ::loadhost_sdk::description::Task {
            name: #name.into(),
            weight: #weight,
            tags: ::std::vec![#(#tags.into()),*],
            wait: #wait,
            group: #group,
            next: ::std::vec![#(#next),*],
        }
    })
}

fn group_tokens(group: &Group, before: &[Group]) -> Result<TokenStream> {
    let Group { name, weight, tags, order, rounds: (low, high), parent } = group;
    let order = order.tokens();
    let parent = option(parent.as_ref().map(|parent| find_group(parent, before)).transpose()?);
    Ok(quote! {
        ::loadhost_sdk::description::TaskGroup {
            name: #name.into(),
            weight: #weight,
            tags: ::std::vec![#(#tags.into()),*],
            order: #order,
            rounds: (#low, #high),
            parent: #parent,
        }
    })
}

fn find_group(name: &LitStr, groups: &[Group]) -> Result<u32> {
    let found = (0u32..).zip(groups).find(|(_, group)| group.name.value() == name.value());
    let name_text = name.value();
    let why = format!(
        "there is no group `{name_text}` so far: declare it by `#[user(group(name = \"{name_text}\"))]`"
    );
    found.map(|(index, _)| index).ok_or_else(|| syn::Error::new(name.span(), why))
}

fn option(value: Option<u32>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
