//! The documents for users tell everything there is to tell, and nothing that is not: every call, field and setting;
//! controls and messages as the program has them. That their commands work is tested on real guests
//! (`server/tests/real/documents.rs`).

mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memdeck::config::SETTINGS;
use serde_json::Value;

use self::sources::{anchor, labels, sources, templates};
use crate::markdown;

/// What the documents may name that is no setting of memdeck's: its own three of another kind, and those of others.
const OTHER_VARIABLES: [&str; 6] = [
    "MEMDECK_CONFIG",
    "MEMDECK_LOG",
    "MEMDECK_LOG_FORMAT",
    "SSL_CERT_FILE",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// The documents whose every block is run.
const RUN: [&str; 5] =
    ["README.md", "docs/quickstart.md", "docs/guide.md", "docs/api.md", "docs/troubleshooting.md"];

fn described() -> [Value; 2] {
    ["docs/openapi.json", "docs/openapi-agent.json"]
        .map(|file| serde_json::from_str(&markdown::read(file)).unwrap())
}

/// Every call of both services, as `GET /healthz`, with what is said of it.
fn operations(documents: &[Value]) -> Vec<(String, &Value)> {
    let mut operations = Vec::new();
    for document in documents {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                operations.push((format!("{} {path}", method.to_uppercase()), operation));
            }
        }
    }
    operations
}

/// What stands in backticks outside of blocks.
fn code_spans(text: &str) -> BTreeSet<String> {
    let mut spans = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        if !in_block && !line.starts_with("```") {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

/// A document's sections by their headings of the third level.
fn sections(text: &str) -> Vec<(&str, &str)> {
    fn of(part: &str) -> Option<(&str, &str)> {
        let (heading, section) = part.split_once('\n')?;
        // The next chapter is not of it.
        Some((heading, section.split("\n## ").next().unwrap_or_default()))
    }
    text.split("\n### ").skip(1).filter_map(of).collect()
}

/// The schemas that a part of a description holds, directly or by way of others.
fn held(part: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| key == "$ref").and_then(|path| path.rsplit('/').next()) {
                    Some(name) if !found.insert(name.to_owned()) => {}
                    Some(name) => held(&schemas[name], schemas, found),
                    None => held(value, schemas, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| held(item, schemas, found)),
        _ => {}
    }
}

/// Where a schema is told: in the section of its name; if it has none, in those of the calls and objects that hold it.
fn told_in<'a>(schema: &str, documents: &[Value], sections: &[(&str, &'a str)]) -> Vec<&'a str> {
    let section = |name: &str| sections.iter().find(|(heading, _)| *heading == name).map(|(_, told)| *told);
    let own: Vec<&str> = section(schema).into_iter().collect();
    if !own.is_empty() {
        return own;
    }
    let holds = |part: &Value, schemas: &Value| {
        let mut found = BTreeSet::new();
        held(part, schemas, &mut found);
        found.contains(schema)
    };
    let mut places = Vec::new();
    for document in documents {
        let schemas = &document["components"]["schemas"];
        for (call, operation) in operations(std::slice::from_ref(document)) {
            if holds(operation, schemas) {
                places.extend(section(&format!("`{call}`")));
            }
        }
        for (other, content) in schemas.as_object().unwrap() {
            if holds(content, schemas) {
                places.extend(section(other));
            }
        }
    }
    places
}

/// The fields of these descriptions that a document does not tell where their object is told.
fn untold(text: &str, documents: &[Value]) -> Vec<String> {
    let sections = sections(text);
    let mut untold = Vec::new();
    for document in documents {
        for (schema, content) in document["components"]["schemas"].as_object().unwrap() {
            let places = told_in(schema, documents, &sections);
            let is_told = |name: &str| {
                let quoted = format!("\"{name}\"");
                places.iter().any(|place| code_spans(place).contains(name) || place.contains(&quoted))
            };
            let fields = content["properties"].as_object().into_iter().flatten().map(|(name, _)| name);
            untold.extend(fields.filter(|name| !is_told(name)).map(|name| format!("{schema}.{name}")));
        }
    }
    untold
}

#[test]
fn every_call_has_a_section_with_an_example_in_each_language() {
    let text = markdown::read("docs/api.md");
    let sections = sections(&text);
    let documents = described();
    for (call, operation) in operations(&documents) {
        let section = sections.iter().find(|(heading, _)| *heading == format!("`{call}`"));
        let Some((_, section)) = section else { panic!("docs/api.md has no section `{call}`") };
        for language in ["sh", "python", "js"] {
            assert!(section.contains(&format!("\n```{language}\n")), "`{call}` has no example in {language}");
        }
        let spans = code_spans(section);
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            // The last ones are told where they were told first.
            let is_told =
                spans.contains(name) || parameter["in"] == "path" || section.contains(&format!("?{name}="));
            assert!(is_told, "`{call}` does not tell its parameter {name}");
        }
    }
}

#[test]
fn every_call_that_is_told_exists() {
    let text = markdown::read("docs/api.md");
    let documents = described();
    let calls: BTreeSet<_> = operations(&documents).into_iter().map(|(call, _)| call).collect();
    let methods = ["GET ", "POST ", "PUT ", "DELETE "];
    let headings = sections(&text).into_iter().map(|(heading, _)| heading.trim_matches('`').to_owned());
    for told in headings.chain(code_spans(&text)).filter(|told| methods.iter().any(|m| told.starts_with(m))) {
        let is_known = calls.contains(&told) || told == "POST /sign-in" || told == "POST /sign-out";
        assert!(is_known, "docs/api.md tells of `{told}`, which does not exist");
    }
}

#[test]
fn every_field_of_every_object_is_told() {
    assert_eq!(untold(&markdown::read("docs/api.md"), &described()), [""; 0]);
}

#[test]
fn a_field_that_another_object_has_is_not_told_by_that() {
    let described = serde_json::json!({
        "paths": {"/cats": {"get": {"responses": {"200": {"$ref": "#/components/schemas/Cat"}}}}},
        "components": {"schemas": {
            "Cat": {"properties": {"name": {}, "age": {}, "owner": {"$ref": "#/components/schemas/Owner"}}},
            "Owner": {"properties": {"name": {}, "since": {}}},
            "Dog": {"properties": {"age": {}}},
        }},
    });
    let text = "\n### `GET /cats`\n{\"name\": 1}, `owner`, `since`\n## Objects\n`since`\n### Dog\n`age`\n";
    assert_eq!(untold(text, std::slice::from_ref(&described)), ["Cat.age"]);
}

#[test]
fn every_setting_stands_in_the_guide_with_its_flag_key_and_default() {
    let text = markdown::read("docs/guide.md");
    for setting in SETTINGS {
        let own = format!("| `{}`", setting.name());
        let Some(row) = text.lines().find(|line| line.starts_with(&own)) else {
            panic!("docs/guide.md has no row for {}", setting.name())
        };
        let mut told: Vec<String> = setting.env.iter().map(|name| format!("`{name}`")).collect();
        told.push(format!("`{}`", setting.key));
        told.extend((!setting.secret).then(|| format!("`--{}`", setting.flag())));
        for part in told {
            assert!(row.contains(&part), "the guide's row of {} does not tell {part}", setting.name());
        }
        let default = setting.default.replace('`', "");
        assert!(
            row.replace('`', "").contains(&format!("| {default} |")),
            "the default of {}",
            setting.name()
        );
    }
}

#[test]
fn every_variable_that_is_told_exists() {
    let known: BTreeSet<&str> =
        SETTINGS.iter().flat_map(|setting| setting.env).copied().chain(OTHER_VARIABLES).collect();
    let looks_like_one = |span: &str| {
        span.contains('_') && span.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    for file in RUN {
        for span in code_spans(&markdown::read(file)) {
            let name = span.split('=').next().unwrap_or_default();
            assert!(
                !looks_like_one(name) || known.contains(name),
                "{file} tells of {name}, which nobody reads"
            );
        }
    }
}

#[test]
fn every_control_that_the_guide_names_is_on_the_page() {
    let text = markdown::read("docs/guide.md");
    let page = text.split("\n## ").find(|part| part.starts_with("The page\n")).unwrap();
    let shown = labels(&sources(&["app/src", "server/src/http"]));
    let names: BTreeSet<_> = page.split("**").skip(1).step_by(2).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(shown.contains(name), "the guide names '{name}', which the page does not show");
    }
}

#[test]
fn what_only_the_code_calls_so_is_no_control() {
    let source = r##"
        // "Remark"
        struct State; let quote = '"'; let escaped = "with \"Quotes\"";
        view! { <b>"Stored"</b> } format!("Stale since {time}"); r#"<h1 class="Page">Sign in</h1>"#
    "##;
    let shown = labels(source);
    for label in ["Stored", "Stale since", "Sign in", "with \"Quotes\""] {
        assert!(shown.contains(label), "{label}: {shown:?}");
    }
    for none in ["State", "Remark", "format"] {
        assert!(!shown.contains(none), "{none}: {shown:?}");
    }
}

#[test]
fn messages_are_quoted_as_the_program_writes_them() {
    let text = markdown::read("docs/troubleshooting.md");
    let sources = templates(&sources(&["app/src", "server/src", "crates"]));
    let quotes: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    assert!(quotes.len() > 40);
    for quote in quotes {
        assert!(sources.contains(quote), "no source has this message: {quote}");
    }
}

/// What other programs do is no message of ours: nothing else would miss these lines.
#[test]
fn makedumpfile_virsh_suspend_and_osrelease_of_crash_have_their_lines() {
    let text = markdown::read("docs/troubleshooting.md");
    for said in [
        ["| makedumpfile ", "Can't get the number of PT_LOAD", "--mode live"],
        ["### `virsh suspend` does not return", "", ""],
        ["| `crash --osrelease` ", "VMCOREINFO", "qemu_fw_cfg"],
    ] {
        let line = text.lines().find(|line| line.starts_with(said[0]));
        let line = line.unwrap_or_else(|| panic!("no line begins with {}", said[0]));
        assert!(said.iter().all(|word| line.contains(word)), "{said:?}: {line}");
    }
}

#[test]
fn a_message_is_found_by_the_text_around_its_values() {
    let source = r#"#[error("no \"room\" in {dir}: {needed:?} of {0}; \
                    run {}")]"#;
    assert_eq!(templates(source), "#[error(\"no \"room\" in …: … of …; run …\")]");
}

#[test]
fn scripts_that_are_named_exist() {
    for file in RUN {
        for span in code_spans(&markdown::read(file)) {
            let script = span.split_whitespace().next().unwrap_or_default().trim_start_matches("./");
            if script.starts_with("scripts/") {
                let path = root().join(script);
                assert!(path.exists(), "{file} names {script}, which is not there");
            }
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for file in RUN.into_iter().chain(["docs/README.md", "ARCHITECTURE.md"]) {
        let text = markdown::read(file);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let there = root().join(file).parent().unwrap().join(path);
            let there = if path.is_empty() { root().join(file) } else { there };
            assert!(there.exists(), "{file} links to {target}");
            if !place.is_empty() {
                let text = std::fs::read_to_string(&there).unwrap();
                let places: Vec<_> =
                    text.lines().filter_map(|line| Some(anchor(line.strip_prefix('#')?))).collect();
                assert!(places.iter().any(|known| known == place), "{file} links to {target}: {places:?}");
            }
        }
    }
}

/// What stands outside of blocks is not run: nothing may look like a block there.
#[test]
fn nothing_looks_like_a_command_that_no_test_runs() {
    for file in &RUN[1..] {
        let text = markdown::read(file);
        markdown::blocks(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut in_block = false;
        for (index, line) in text.lines().enumerate() {
            in_block ^= line.starts_with("```");
            let is_indented_code = !in_block && line.starts_with("    ");
            assert!(!is_indented_code, "{file}, line {}: a block is fenced", index + 1);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
