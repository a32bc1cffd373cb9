#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn tags(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
    pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn expressions_choose_workers_by_their_tags() {
    let check = |expression: &str, worker: &str, expected: bool| {
        let placement: Placement = expression.parse().unwrap();
        assert_eq!(placement.matches(&tags(worker)), expected, "{expression} on {worker}");
    };
    let eu = "region:eu,type:large,gpu:";
    check("region=eu", eu, true);
    check("region==eu", eu, true);
    check("region=us", eu, false);
    check("region=eu && type!=small", eu, true);
    check("region=eu&&type!=large", eu, false);
    check("region=us || type=large", eu, true);
    check("region=us || region=eu && type=small", eu, false); // && binds closer
    check("(region=us || region=eu) && type=large", eu, true);
    check("gpu", eu, true);
    check("!gpu", eu, false);
    check("!!gpu", eu, true);
    check("!(region=eu && gpu)", eu, false);
    check("zone!=a", eu, true); // without the tag it is unequal to every value
    check("zone", eu, false);
    check("gpu=\"\"", eu, true);
    check("rack=\"row 7 & 8\"", "rack:row 7 & 8", true);
    check("host=a.b-c_d/e:1", "host:a.b-c_d/e:1", true);
    check("region=eu", "", false);
}

#[test]
fn faults_are_named_with_their_place_and_what_would_fit() {
    let check = |expression: &str, expected: &str| {
        let error = expression.parse::<Placement>().unwrap_err().to_string();
        assert!(error.contains(expected), "{expression}: {error}");
    };
    check("", "a tag is expected at position 0, not the end");
    check("region=", "a value is expected at position 7, not the end");
    check("region=eu &&", "a tag is expected at position 12, not the end");
    check("region=eu & gpu", "`&&`, `||` or the end is expected at position 10, not `&`");
    check("region=eu gpu", "position 10, not `gpu`");
    check("(region=eu", "`&&`, `||` or `)` is expected at position 10, not the end");
    check("region=eu)", "position 9, not `)`");
    check("region=\"eu", "position 7, not a `\"` that is never closed");
    check("region=eu,us", "position 9, not `,`; write it like `region=eu && type!=small`");
    check(&"(".repeat(40), "nested deeper than 32");
    check(&"!".repeat(40), "nested deeper than 32");
    check(&"a".repeat(2_000), "has 2000 bytes, and may have 1024");
}

#[test]
fn it_travels_as_text() {
    let json = "\"region=eu && (zone=a || !gpu)\"";
    let placement: Placement = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&placement).unwrap(), json);
    assert!(serde_json::from_str::<Placement>("\"&&\"").is_err());
}

fn any_expression() -> impl Strategy<Value = Expression> {
    let word = "[a-z0-9 =&|!()]{0,4}";
    let leaf = prop_oneof![
        word.prop_map(Expression::Has),
        (word, word).prop_map(|(tag, value)| Expression::Is(tag, value)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            prop::collection::vec(inner, 2..4).prop_map(Expression::Any),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(expression in any_expression()) {
        let text = expression.to_string();
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(text.parse::<Placement>().unwrap().0, expression, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z\"=!&|() é]{0,60}") {
        if let Ok(placement) = text.parse::<Placement>() {
            prop_assert_eq!(placement.to_string().parse::<Placement>().unwrap(), placement);
        }
    }
}
