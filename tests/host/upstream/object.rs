//! `UPSTREAM_OBJECT`.

use portcullis::request::parameters::Parameters;
use portcullis::request::path::CanonicalPath;
use portcullis::upstream::{ObjectUpstream, Server, Upstream};
use proptest::prelude::*;

use crate::common::{assert_rows, cases, strings};

#[test]
fn an_object_is_named_by_the_paths_parameters() {
    let wrong = |text: &str| {
        Err(format!(
            "{text:?} is not an object; write a binding and a name, like \"ROOMS/{{room}}\""
        ))
    };
    let parsed = |text: &str| {
        let object = ObjectUpstream::parse(text)?;
        let parameters: Vec<_> = object.parameters().map(str::to_owned).collect();
        Ok((object.binding.clone(), parameters))
    };
    let right = |binding: &str, parameters: &[&str]| Ok((binding.into(), strings(parameters)));
    assert_rows([
        ("a name", parsed("ROOMS/lobby"), right("ROOMS", &[])),
        (
            "a parameter",
            parsed("ROOMS/{room}"),
            right("ROOMS", &["room"]),
        ),
        (
            "several, and text between",
            parsed("R/{a}-x/{b}"),
            right("R", &["a", "b"]),
        ),
        ("no name", parsed("ROOMS"), wrong("ROOMS")),
        ("an empty name", parsed("ROOMS/"), wrong("ROOMS/")),
        ("no binding", parsed("/x"), wrong("/x")),
        ("an open brace", parsed("R/{a"), wrong("R/{a")),
        (
            "a percent sign",
            parsed("R/a%2D{b}"),
            Err(
                "\"R/a%2D{b}\": a percent sign escapes characters of parameters; leave it out"
                    .into(),
            ),
        ),
        (
            "parameters without a text between",
            parsed("R/{a}{b}"),
            Err(
                "\"R/{a}{b}\": two rooms could have one name; write a text between the \
                 parameters, like \"ROOMS/{a}:{b}\""
                    .into(),
            ),
        ),
    ]);
    let upstream = ObjectUpstream::parse("R/{a}/x").map(Upstream::Object);
    let upstream = upstream.expect("an object");
    assert_eq!(upstream.audience(), "object:R");
    let matched = Parameters::default();
    let expected = Server::Object {
        binding: "R",
        name: "/x".into(),
    };
    assert_eq!(upstream.destination(&matched).server, expected);
}

fn name(template: &str, values: &[&str]) -> String {
    let object = ObjectUpstream::parse(template).expect("an object");
    let names = object.parameters().map(str::to_owned);
    let values = names.zip(strings(values)).collect();
    object.name(&Parameters::new(CanonicalPath::default(), values))
}

#[test]
fn a_value_is_escaped_where_it_could_pass_for_the_text_between_two() {
    let rows = [
        ("R/{a}", &["x"][..], "x"),
        ("R/{a}", &["x-y:z é"], "x-y:z é"),
        ("R/{a}", &["100%"], "100%25"),
        ("R/{a}", &["x/y"], "x%2Fy"),
        ("R/room-{a}", &["x-y"], "room-x-y"),
        ("R/{a}-end", &["x-y"], "x-y-end"),
        ("R/{a}-{b}", &["x-y", "z"], "x%2Dy-z"),
        ("R/{a}-{b}", &["x", "y-z"], "x-y%2Dz"),
        ("R/-{a}:{b}-", &["x-y", "z:"], "-x-y:z%3A-"),
        ("R/{a}é{b}", &["xéy", "z"], "x%C3%A9yéz"),
    ];
    assert_rows(rows.map(|(template, values, expected)| {
        (
            format!("{template} {values:?}"),
            name(template, values),
            expected.to_owned(),
        )
    }));
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn different_parameters_have_different_names(
        template in prop::sample::select(&[
            "R/{a}-{b}", "R/{a}--{b}", "R/{a}/{b}", "R/-{a}2{b}-", "R/{a}D{b}", "R/{a}-2{b}D{c}",
        ][..]),
        one in prop::array::uniform3("[-/2D%x]{0,4}"),
        other in prop::array::uniform3("[-/2D%x]{0,4}"),
    ) {
        let count = ObjectUpstream::parse(template).expect("an object").parameters().count();
        let used = |values: &[String; 3]| values[..count].to_vec();
        let name_of = |values: &[String; 3]| {
            name(template, &values.iter().map(String::as_str).collect::<Vec<_>>())
        };
        prop_assert_eq!(used(&one) == used(&other), name_of(&one) == name_of(&other));
    }
}
