//! A page that stands by itself: nothing is loaded, nothing runs, and whatever somebody else named is text.

use std::fmt::Write as _;

use super::Section;

/// Prints well on paper; the fonts of whoever reads it.
const STYLE: &str = "
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid #111; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .5rem .2rem 0; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
.facts th { width: 9rem; font-weight: 600; }
.noted { font-size: 12px; }
.noted td { font-variant-numeric: tabular-nums; }
tr { break-inside: avoid; }
p { margin: .35rem 0; overflow-wrap: anywhere; }
footer { margin-top: 2rem; color: #444; }
@media print { body { max-width: none; margin: 0; } h2.next { break-before: page; } }
";

/// A page under construction.
pub struct Page(String);

impl Page {
    /// With this heading, which is its title, too.
    pub fn new(heading: &str) -> Self {
        let heading = text(heading);
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        Self(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
        ))
    }

    pub fn paragraph(&mut self, sentence: &str) {
        self.push(format_args!("<p>{}</p>\n", text(sentence)));
    }

    /// A part, which begins a sheet of paper unless it is the first.
    pub fn part(&mut self, title: &str, is_first: bool) {
        let class = if is_first { "" } else { " class=\"next\"" };
        self.push(format_args!("<h2{class}>{}</h2>\n", text(title)));
    }

    pub fn section(&mut self, section: &Section) {
        self.push(format_args!("<h3>{}</h3>\n", text(&section.title)));
        if !section.facts.is_empty() {
            self.push(format_args!("<table class=\"facts\">\n"));
            for (name, value) in &section.facts {
                self.push(format_args!(
                    "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
                    text(name),
                    text(value)
                ));
            }
            self.push(format_args!("</table>\n"));
        }
        for line in &section.lines {
            self.paragraph(line);
        }
    }

    /// A table with these columns.
    pub fn table<const N: usize>(
        &mut self,
        title: &str,
        columns: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        self.push(format_args!("<h3>{}</h3>\n<table class=\"noted\">\n<thead>\n<tr>", text(title)));
        for column in columns {
            self.push(format_args!("<th scope=\"col\">{}</th>", text(column)));
        }
        self.push(format_args!("</tr>\n</thead>\n<tbody>\n"));
        for row in rows {
            self.push(format_args!("<tr>"));
            for cell in row {
                self.push(format_args!("<td>{}</td>", text(&cell)));
            }
            self.push(format_args!("</tr>\n"));
        }
        self.push(format_args!("</tbody>\n</table>\n"));
    }

    /// The whole page, with a last sentence.
    pub fn end(mut self, sentence: &str) -> String {
        self.push(format_args!("<footer><p>{}</p></footer>\n</body>\n</html>\n", text(sentence)));
        self.0
    }

    fn push(&mut self, html: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(html);
    }
}

/// What somebody else may have named, as text of a page: no markup, and no character that is not seen or turns others round.
fn text(raw: &str) -> String {
    let mut html = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() || turns_round(c) => html.extend(c.escape_unicode()),
            c => html.push(c),
        }
    }
    html
}

/// Marks that change the direction in which text is shown, or are not seen at all.
fn turns_round(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_named_is_text_and_nothing_else() {
        assert_eq!(
            text("<img src=x onerror='a()'>\"&"),
            "&lt;img src=x onerror=&#39;a()&#39;&gt;&quot;&amp;"
        );
        assert_eq!(text("evil\u{202e}txt.exe\0\u{1b}[2J"), "evil\\u{202e}txt.exe\\u{0}\\u{1b}[2J");
        assert_eq!(text("größe-01 日本"), "größe-01 日本");
    }

    #[test]
    fn a_page_loads_nothing_and_closes_what_it_opens() {
        let hostile = "</title></style><script>alert(1)</script>";
        let mut page = Page::new(hostile);
        page.part(hostile, true);
        page.part(hostile, false);
        let facts = vec![(hostile.to_owned(), hostile.to_owned())];
        page.section(&Section { title: hostile.to_owned(), facts, lines: vec![hostile.to_owned()] });
        page.table(hostile, [hostile], [[hostile.to_owned()]].into_iter());
        let html = page.end(hostile);
        assert!(!html.contains("<script") && !html.contains("url(") && !html.contains("src="), "{html}");
        assert_eq!(html.matches("<style>").count(), html.matches("</style>").count());
        for tag in ["table", "tr", "th", "td", "h1", "h2", "h3", "p", "body", "html", "title"] {
            let opened =
                html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
