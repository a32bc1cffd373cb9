//! What `/swarm` is told: Locust's fields as settings of a run.

use axum::Form;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use loadhost_model::description::Description;
use loadhost_model::text::parse_duration;
use serde_json::{Map, Value, json};

/// Fields of a form; more are refused.
const MAX_FIELDS: usize = 200;
/// What Locust says of a form without users or rate.
pub(super) const MISSING: &str = "Missing or invalid user_count or spawn_rate from /swarm request";

/// Names and values in the order of the form; `multipart/form-data`, or urlencoded.
///
/// # Errors
/// If it is neither, or too much.
pub(super) async fn read(request: Request) -> Result<Vec<(String, String)>, String> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_multipart = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_multipart {
        let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let Form(fields) = form.map_err(|rejection| rejection.body_text())?;
        return if fields.len() > MAX_FIELDS { Err(too_many()) } else { Ok(fields) };
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| rejection.body_text())?;
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.body_text())? {
        if fields.len() == MAX_FIELDS {
            return Err(too_many());
        }
        let name = field.name().unwrap_or_default().to_string();
        fields.push((name, field.text().await.map_err(|error| error.body_text())?));
    }
    Ok(fields)
}

fn too_many() -> String {
    format!("a form has {MAX_FIELDS} fields at most")
}

/// What a form asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wish {
    /// To go to.
    pub(super) users: Option<u32>,
    /// Users per second.
    pub(super) spawn_rate: Option<f64>,
    /// Base URL.
    pub(super) host: Option<String>,
    /// As it was given.
    pub(super) run_time: Option<String>,
    /// Only these user types.
    pub(super) user_classes: Vec<String>,
    /// The scenario's load shape decides.
    pub(super) shape: Option<String>,
    /// Anything else: parameters of the scenario.
    pub(super) others: Vec<(String, String)>,
}

impl Wish {
    /// # Errors
    /// Names the field, as Locust does where it does.
    pub(super) fn of(fields: Vec<(String, String)>) -> Result<Self, String> {
        let mut wish = Self::default();
        for (name, value) in fields {
            let value = value.trim().to_string();
            let given = !value.is_empty();
            match name.as_str() {
                "user_count" | "locust_count" if given => {
                    wish.users = Some(value.parse().map_err(|_| MISSING.to_string())?);
                }
                "spawn_rate" | "hatch_rate" if given => {
                    let rate: f64 = value.parse().map_err(|_| MISSING.to_string())?;
                    if !rate.is_finite() || rate <= 0.0 {
                        return Err(MISSING.to_string());
                    }
                    wish.spawn_rate = Some(rate);
                }
                "host" => wish.host = given.then_some(value),
                "run_time" if given => {
                    parse_duration(&value).map_err(|error| {
                        format!("Valid run_time formats are: 20, 20s, 3m, 2h, 1h20m, 3h30m10s, etc.: {error}")
                    })?;
                    wish.run_time = Some(value);
                }
                "user_classes" if given => wish.user_classes.push(value),
                "shape_class" => {
                    wish.shape = Some(value).filter(|shape| given && shape != "Default")
                }
                // Forms of the page send them empty; `profile` only labels Locust's own history.
                "user_count" | "locust_count" | "spawn_rate" | "hatch_rate" | "run_time"
                | "user_classes" | "profile" => {}
                _ => wish.others.push((name, value)),
            }
        }
        Ok(wish)
    }

    /// Settings of a run of this scenario, and the fields that it has no parameter for.
    ///
    /// # Errors
    /// If users are missing, or a user type or load shape is not the scenario's.
    pub(super) fn settings(
        &self,
        scenario: &Description,
    ) -> Result<(Map<String, Value>, Vec<String>), String> {
        let mut settings = Map::new();
        if let Some(shape) = &self.shape {
            if !scenario.has_load_shape {
                return Err(format!(
                    "the scenario `{}` has no load shape, so not `{shape}` either",
                    scenario.name
                ));
            }
        } else {
            let (Some(users), Some(rate)) = (self.users, self.spawn_rate) else {
                return Err(MISSING.to_string());
            };
            settings.insert("users".into(), json!(users));
            settings.insert("spawn-rate".into(), json!(rate));
        }
        if let Some(host) = &self.host {
            settings.insert("host".into(), json!(host));
        }
        if let Some(time) = &self.run_time {
            // A bare number is seconds.
            let time = if time.parse::<f64>().is_ok() { format!("{time}s") } else { time.clone() };
            settings.insert("run-time".into(), json!(time));
        }
        if !self.user_classes.is_empty() {
            settings.insert("user-types".into(), self.user_types(scenario)?);
        }
        let known = |name: &str| scenario.parameters.iter().any(|parameter| parameter.name == name);
        let (params, unknown): (Vec<_>, Vec<_>) =
            self.others.iter().cloned().partition(|(name, _)| known(name));
        if !params.is_empty() {
            let params: Map<_, _> =
                params.into_iter().map(|(name, value)| (name, json!(value))).collect();
            settings.insert("params".into(), Value::Object(params));
        }
        Ok((settings, unknown.into_iter().map(|(name, _)| name).collect()))
    }

    /// What is not asked for has no weight.
    fn user_types(&self, scenario: &Description) -> Result<Value, String> {
        let all: Vec<_> = scenario.user_types.iter().map(|one| one.name.as_str()).collect();
        if let Some(wrong) = self.user_classes.iter().find(|name| !all.contains(&name.as_str())) {
            return Err(format!(
                "the scenario has no user type `{wrong}`; it has {}",
                all.join(", ")
            ));
        }
        let left_out = all.iter().filter(|name| !self.user_classes.iter().any(|one| one == *name));
        let weights: Map<_, _> = left_out.map(|name| (name.to_string(), json!("0"))).collect();
        Ok(Value::Object(weights))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wish(text: &str) -> Result<Wish, String> {
        let field = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_string(), value.to_string())
        };
        Wish::of(text.split('&').map(field).collect())
    }

    #[test]
    fn fields_of_today_and_of_old_are_the_same() {
        let today = wish("user_count=10&spawn_rate=2.5&host=http://a&run_time=1h20m").unwrap();
        assert_eq!((today.users, today.spawn_rate), (Some(10), Some(2.5)));
        assert_eq!(
            wish("locust_count=10&hatch_rate=2.5&host=http://a&run_time=1h20m").unwrap(),
            today
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_locusts_words() {
        for wrong in [
            "user_count=ten&spawn_rate=1",
            "user_count=-1&spawn_rate=1",
            "user_count=1&spawn_rate=0",
            "user_count=1&spawn_rate=nan",
        ] {
            assert_eq!(wish(wrong).unwrap_err(), MISSING, "{wrong}");
        }
        assert!(wish("run_time=soon").unwrap_err().starts_with("Valid run_time formats are:"));
    }

    fn scenario() -> Description {
        let user_type = |name: &str| json!({ "name": name, "weight": 1, "fixed_count": null, "wait": "none", "order": "weighted", "tasks": [], "groups": [] });
        let mut description = crate::export::fixture::report().description.as_ref().clone();
        description.user_types = ["Shopper", "Admin"]
            .iter()
            .filter_map(|name| serde_json::from_value(user_type(name)).ok())
            .collect();
        description.parameters = serde_json::from_value(json!([
            { "name": "pause", "kind": "duration", "default": "1s", "help": "", "secret": false }
        ]))
        .unwrap();
        description
    }

    #[test]
    fn other_fields_are_parameters_if_the_scenario_has_them() {
        let wish = wish(
            "user_count=10&spawn_rate=2&run_time=90&pause=3s&colour=red&profile=x&user_classes=",
        )
        .unwrap();
        let (settings, unknown) = wish.settings(&scenario()).unwrap();
        assert_eq!(
            Value::Object(settings),
            json!({ "users": 10, "spawn-rate": 2.0, "run-time": "90s", "params": { "pause": "3s" } })
        );
        assert_eq!(unknown, ["colour"]);
    }

    #[test]
    fn without_users_or_shape_there_is_no_run() {
        assert_eq!(wish("host=http://a").unwrap().settings(&scenario()).unwrap_err(), MISSING);
        let shaped = wish("shape_class=Stages").unwrap();
        assert!(shaped.settings(&scenario()).unwrap_err().contains("has no load shape"));
        let description = Description { has_load_shape: true, ..scenario() };
        assert_eq!(shaped.settings(&description).unwrap().0, Map::new());
        assert_eq!(wish("shape_class=Default").unwrap().shape, None);
    }

    #[test]
    fn only_the_user_types_that_are_named_have_weight() {
        let description = scenario();
        assert_eq!(description.user_types.len(), 2);
        let some = wish("user_count=1&spawn_rate=1&user_classes=Admin").unwrap();
        assert_eq!(some.settings(&description).unwrap().0["user-types"], json!({ "Shopper": "0" }));
        let wrong = wish("user_count=1&spawn_rate=1&user_classes=Nobody").unwrap();
        assert!(
            wrong.settings(&description).unwrap_err().contains("`Nobody`; it has Shopper, Admin")
        );
    }
}
