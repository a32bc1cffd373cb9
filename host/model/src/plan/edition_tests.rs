#![allow(clippy::unwrap_used)]

use super::*;
use crate::description::Parameter;
use crate::plan::check::tests::{plan, shop};

fn module() -> Digest {
    Digest::new([9; 32])
}

fn edition(plan: &RunPlan, change: impl FnOnce(&mut Description)) -> Result<Edition, String> {
    let mut newer = shop();
    change(&mut newer);
    Edition::new(1, (module(), &newer), plan, &shop()).map_err(|error| error.to_string())
}

fn running() -> RunPlan {
    plan().checked(&shop()).unwrap()
}

#[test]
fn users_keep_their_numbers_whatever_the_new_version_proposes() {
    let mut before = running();
    before.user_types.insert("Admin".to_string(), UserShare::Count(4));
    let edition = edition(&before, |newer| {
        newer.user_types[0].weight = 50;
        newer.user_types[1].fixed_count = None;
    });
    let after = edition.unwrap().of(&before);
    let shares = [("Admin", UserShare::Count(4)), ("Shopper", UserShare::Weight(3))];
    assert_eq!(after.user_types, shares.map(|(name, share)| (name.to_string(), share)).into());
    let rest = RunPlan {
        module: before.module,
        user_types: before.user_types.clone(),
        ..(*after).clone()
    };
    assert_eq!((after.module, rest), (module(), before));
}

#[test]
fn a_new_parameter_has_its_default_and_one_that_is_gone_goes() {
    let edition = edition(&running(), |newer| {
        newer.parameters[0].name = "pages".to_string();
        newer.parameters.push(Parameter {
            secret: true,
            name: "pin".to_string(),
            ..newer.parameters[0].clone()
        });
    });
    let edition = edition.unwrap();
    let params: Vec<(&str, &str)> =
        edition.params.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(params, [("pages", "3"), ("password", "secret"), ("pin", "3")]);
    assert_eq!(edition.secret_params, ["password", "pin"]);
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let refused = |change: fn(&mut Description), expected: &str| {
        let said = edition(&running(), change).unwrap_err();
        assert!(said.contains(expected), "{said}");
    };
    refused(|newer| newer.user_types.reverse(), "has `Admin`, `Shopper`; keep names and order");
    refused(
        |newer| newer.user_types[0].name = "Buyer".to_string(),
        "users of the run are `Shopper`, `Admin`",
    );
    refused(|newer| newer.user_types.truncate(1), "this version has `Shopper`");
    refused(
        |newer| {
            (newer.parameters[0].name, newer.parameters[0].default) = ("pages".to_string(), None)
        },
        "parameter `pages` is missing",
    );
    refused(|newer| newer.data_sets.push("users".to_string()), "reads data set `users`");
    refused(|newer| newer.parameters[0].kind = "boolean".to_string(), "neither `true` nor `false`");
}

#[test]
fn a_run_that_follows_a_load_shape_needs_one() {
    let mut plan = running();
    let users = crate::profile::Curve::constant(1.0);
    plan.profile.phases[0].load = Load::Shaped { users };
    assert!(edition(&plan, |_| {}).unwrap_err().contains("load shape"));
    assert!(edition(&plan, |newer| newer.has_load_shape = true).is_ok());
}
