//! The documents for users: every block in them is run, in order, as a reader would, against real guests. So nothing
//! stands in them that was not seen to work.
//!
//! What the words behind a fence mean is told in `docs/README.md`; [`plan`] reads them, [`run`] runs a document, and
//! [`output`] compares what was printed with what the document shows.

mod output;
mod plan;
mod run;

use crate::lab::{LabGuest, lab};
use crate::markdown;

fn run_document(path: &str) {
    let _turn = lab();
    let _guests = [LabGuest::running("web-01"), LabGuest::running("db-01")];
    if let Err(failure) = run::document(&markdown::read(path)) {
        panic!("{path}, {failure}");
    }
}

#[test]
fn the_readme_is_true() {
    run_document("README.md");
}

#[test]
fn the_quickstart_is_true() {
    run_document("docs/quickstart.md");
}

#[test]
fn the_guide_is_true() {
    run_document("docs/guide.md");
}

#[test]
fn the_description_of_the_calls_is_true() {
    run_document("docs/api.md");
}

#[test]
fn the_remedies_are_true() {
    run_document("docs/troubleshooting.md");
}

#[test]
fn a_block_that_fails_is_told_with_its_line_and_what_it_printed() {
    for (language, code) in [
        ("sh", "echo before; false; echo after"),
        ("sh", "echo before; cat /nonexistent | cat; echo after"),
        ("python", "print('before'); raise SystemExit(3); print('after')"),
        ("js", "console.log('before'); process.exit(3); console.log('after')"),
    ] {
        let text = format!("# Title\n\n```sh\ntrue\n```\n\n```{language}\n{code}\n```\n");
        let failure = run::document(&text).unwrap_err();
        assert!(failure.starts_with("line 7: "), "{failure}");
        assert!(failure.contains("before") && !failure.contains("after"), "{failure}");
    }
}

#[test]
fn what_one_block_sets_the_next_ones_have() {
    let text = "```sh\nexport SET=1; mkdir here; cd here\n```\n```python setup\nimport os\n```\n\
                ```python\nprint(os.environ['SET'], os.path.basename(os.getcwd()))\n```\n```text\n1 here\n```\n\
                ```js\nconsole.log(JSON.stringify({ set: process.env.SET }))\n```\n```json\n{\"set\": \"…\"}\n```\n";
    run::document(text).unwrap();
    let failure = run::document(&text.replace("1 here", "1 there")).unwrap_err();
    assert!(failure.starts_with("line 10: ") && failure.contains("1 there"), "{failure}");
}

#[test]
fn a_service_that_does_not_start_is_told() {
    let failure = run::document("```sh service\nmemdeck serve --bind nowhere\n```\n").unwrap_err();
    assert!(failure.starts_with("line 1: ") && failure.contains("MEMDECK_BIND is 'nowhere'"), "{failure}");
}

#[test]
fn a_service_is_gone_when_its_document_ends() {
    let text = "```sh service\nmemdeck serve\n```\n```sh\ncurl -fsS http://127.0.0.1:8000/healthz\n```\n";
    // The second one finds the place free.
    run::document(text).unwrap();
    run::document(text).unwrap();
}
