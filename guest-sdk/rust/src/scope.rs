//! What a user, `setup` and `teardown` are given: parameters, setup data, who they are.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::description::Parameter;
use crate::failure::{Failure, Outcome};
use crate::random;

/// Who a user is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Unique in the run, over all workers; counts from 0.
    pub user_id: u64,
    /// Which worker this is, and of how many.
    pub worker: (u32, u32),
    /// Of the run.
    pub run_id: String,
    /// Of this user's random numbers.
    pub seed: u64,
    /// The text that `setup` returned.
    pub setup_data: String,
}

/// What hooks and tasks can ask for by an argument: `&YourParams`, `&Setup<T>`, `&Context`.
///
/// Made once per user, when first asked for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a user is given",
    label = "cannot be given",
    note = "arguments are `&P` with `#[derive(Params)] struct P`, `&Setup<T>` and `&Context`"
)]
pub trait Given: Sized + 'static {
    /// Makes the value.
    fn given(context: &Context) -> Outcome<Self>;

    /// Parameters of the run that this needs.
    fn parameters() -> Vec<Parameter> {
        Vec::new()
    }
}

impl Given for Context {
    fn given(context: &Context) -> Outcome<Self> {
        Ok(context.clone())
    }
}

/// What `setup` returned, handed to each user and to `teardown`. Dereferences to `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup<T>(T);

impl<T> Deref for Setup<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> Given for Setup<T> {
    fn given(context: &Context) -> Outcome<Self> {
        if context.setup_data.is_empty() {
            let text = "there is no setup data: name a function with `setup = …` in `export!`";
            return Err(Failure::AbortRun(text.to_string()));
        }
        serde_json::from_str(&context.setup_data).map(Self).map_err(|error| {
            let wanted = std::any::type_name::<T>();
            Failure::AbortRun(format!("the setup data is no `{wanted}`: {error}"))
        })
    }
}

/// The surroundings of one user, or of `setup` or `teardown`.
#[derive(Debug, Default)]
pub struct Scope {
    context: Context,
    made: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
}

impl Scope {
    /// Of this user.
    pub fn new(context: Context) -> Rc<Self> {
        Rc::new(Self { context, made: RefCell::default() })
    }

    /// The value of this type, made when first asked for.
    pub fn given<T: Given>(&self) -> Outcome<Rc<T>> {
        let id = TypeId::of::<T>();
        let known =
            self.made.borrow().iter().find(|(made, _)| *made == id).map(|(_, it)| it.clone());
        if let Some(Ok(value)) = known.map(Rc::downcast::<T>) {
            return Ok(value);
        }
        let value = Rc::new(T::given(&self.context)?);
        self.made.borrow_mut().push((id, value.clone()));
        Ok(value)
    }

    /// Makes this the scope of what runs next.
    pub(crate) fn enter(self: &Rc<Self>) {
        random::seed_once(self.context.seed);
        CURRENT.with_borrow_mut(|current| {
            if !current.as_ref().is_some_and(|it| Rc::ptr_eq(it, self)) {
                *current = Some(self.clone());
            }
        });
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
}

/// A value of the surroundings, for functions that get no argument for it.
///
/// Fails if the run's parameters or setup data do not fit `T`.
///
/// ```
/// # use loadhost_sdk::prelude::*;
/// # use loadhost_sdk::test::World;
/// #[derive(Params)]
/// struct Shop {
///     /// How many items to buy
///     #[param(default = 3)]
///     items: u32,
/// }
///
/// fn how_many() -> Outcome<u32> {
///     Ok(given::<Shop>()?.items)
/// }
/// # World::new();
/// # assert_eq!(how_many().unwrap(), 3);
/// ```
pub fn given<T: Given>() -> Outcome<Rc<T>> {
    match CURRENT.with_borrow(Clone::clone) {
        Some(scope) => scope.given(),
        None => T::given(&Context::default()).map(Rc::new),
    }
}

/// A function for `setup` or `teardown`, with any of its arguments given.
#[diagnostic::on_unimplemented(
    message = "this cannot be called for `setup` or `teardown`",
    note = "it takes up to three of `&YourParams`, `&Setup<T>` and `&Context`, and returns `Outcome<T>`"
)]
pub trait Hook<Arguments> {
    /// What it makes.
    type Output;
    /// Calls it.
    fn call(&self, scope: &Scope) -> Outcome<Self::Output>;
    /// Parameters of the run that its arguments need.
    fn parameters(&self) -> Vec<Parameter>;
}

macro_rules! hook {
    ($($argument:ident),*) => {
        impl<Fun, Out, Err, $($argument),*> Hook<fn($($argument),*) -> Result<Out, Err>> for Fun
        where
            Fun: Fn($(&$argument),*) -> Result<Out, Err>,
            Err: Into<Failure>,
            $($argument: Given,)*
        {
            type Output = Out;

            #[allow(unused_variables)]
            fn call(&self, scope: &Scope) -> Outcome<Out> {
                self($(&*scope.given::<$argument>()?),*).map_err(Into::into)
            }

            #[allow(unused_mut, clippy::let_and_return, clippy::vec_init_then_push)]
            fn parameters(&self) -> Vec<Parameter> {
                let mut all = Vec::new();
                $(all.extend($argument::parameters());)*
                all
            }
        }
    };
}
hook!();
hook!(A);
hook!(A, B);
hook!(A, B, C);
