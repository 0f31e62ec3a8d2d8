//! What is to be done with the blocks of a document.

use crate::markdown::Block;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Run to its end in the document's one shell.
    Shell,
    /// Started, and left running until the document ends.
    Service,
    /// A program with the `setup` blocks of its language before it.
    Program(Language),
    /// Put before every later program of its language.
    Setup(Language),
    /// A configuration file.
    Configuration,
    /// A part of a `server` in nginx's configuration.
    Proxy,
    /// What the block before it prints, as JSON.
    Json,
    /// Lines of what the block before it prints.
    Text,
}

/// What programs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With its standard library only.
    Python,
    /// As both browsers and node know it.
    JavaScript,
}

impl Kind {
    fn of(info: &str) -> Option<Self> {
        Some(match info {
            "sh" => Self::Shell,
            "sh service" => Self::Service,
            "python" => Self::Program(Language::Python),
            "python setup" => Self::Setup(Language::Python),
            "js" => Self::Program(Language::JavaScript),
            "js setup" => Self::Setup(Language::JavaScript),
            "toml" => Self::Configuration,
            "nginx" => Self::Proxy,
            "json" => Self::Json,
            "text" => Self::Text,
            _ => return None,
        })
    }

    /// Whether something is printed that a document may show.
    fn prints(self) -> bool {
        !matches!(self, Self::Json | Self::Text | Self::Service)
    }
}

/// What is run.
#[derive(Clone, Debug)]
pub struct Step {
    /// Of the block in the document.
    pub line: usize,
    /// Which kind.
    pub kind: Kind,
    /// The whole of it, as it is run.
    pub program: String,
    /// What it must print, as the document shows it.
    pub shown: Vec<Shown>,
}

/// What a document shows of a step's output.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Of the block in the document.
    pub line: usize,
    /// [`Kind::Json`] or [`Kind::Text`].
    pub kind: Kind,
    /// What it shows.
    pub expected: String,
}

/// The steps of a document.
///
/// # Errors
/// A block is of a kind that nobody runs, or shows the output of nothing: the message names its line.
pub fn steps(blocks: &[Block]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut setups: Vec<(Language, &str)> = Vec::new();
    for Block { line, info, code } in blocks {
        let line = *line;
        let Some(kind) = Kind::of(info) else {
            return Err(format!("line {line}: nobody runs a block that is called '{info}'"));
        };
        if let Kind::Json | Kind::Text = kind {
            let Some(step) = steps.last_mut().filter(|step| step.kind.prints()) else {
                return Err(format!("line {line}: no block before this one prints it"));
            };
            step.shown.push(Shown { line, kind, expected: code.clone() });
            continue;
        }
        let program = match kind {
            Kind::Program(language) | Kind::Setup(language) => {
                let before = setups.iter().filter(|(of, _)| *of == language).map(|(_, code)| *code);
                before.chain([code.as_str()]).collect()
            }
            Kind::Proxy => {
                format!("events {{}}\npid proxy.pid;\nhttp {{ server {{ listen 127.0.0.1:80;\n{code}}} }}\n")
            }
            _ => code.clone(),
        };
        steps.push(Step { line, kind, program, shown: Vec::new() });
        if let Kind::Setup(language) = kind {
            setups.push((language, code));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(line: usize, info: &str, code: &str) -> Block {
        Block { line, info: info.to_owned(), code: code.to_owned() }
    }

    #[test]
    fn no_block_escapes() {
        for info in ["", "bash", "console", "sh ignore", "python3", "SH"] {
            let error = steps(&[block(7, info, "x\n")]).unwrap_err();
            assert_eq!(error, format!("line 7: nobody runs a block that is called '{info}'"));
        }
    }

    #[test]
    fn output_belongs_to_the_block_before_it() {
        let planned =
            steps(&[block(1, "sh", "a\n"), block(4, "text", "b\n"), block(7, "json", "1\n")]).unwrap();
        assert_eq!(planned.len(), 1);
        assert_eq!(planned[0].shown.iter().map(|shown| shown.line).collect::<Vec<_>>(), [4, 7]);
        for before in [vec![], vec![block(1, "sh service", "a\n")]] {
            let blocks: Vec<_> = before.into_iter().chain([block(9, "text", "b\n")]).collect();
            assert_eq!(steps(&blocks).unwrap_err(), "line 9: no block before this one prints it");
        }
    }

    #[test]
    fn a_program_has_the_setups_of_its_language_before_it() {
        let blocks = [
            block(1, "python setup", "a\n"),
            block(2, "js setup", "b\n"),
            block(3, "python setup", "c\n"),
            block(4, "python", "d\n"),
            block(5, "js", "e\n"),
        ];
        let code: Vec<_> = steps(&blocks).unwrap().into_iter().map(|step| step.program).collect();
        assert_eq!(code, ["a\n", "b\n", "a\nc\n", "a\nc\nd\n", "b\ne\n"]);
    }
}
