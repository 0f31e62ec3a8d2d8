//! The sign-in page. Name and password and the token need no script, a link does; its look comes from the stylesheet of the built page.

use super::NextPage;

/// The page, with the provider of this name first where there is one, and name and password where there are accounts; `problem`
/// says why signing in failed.
pub fn sign_in(next: &NextPage, has_accounts: bool, provider: Option<&str>, problem: Option<&str>) -> String {
    // Only characters that a form encodes nothing of: no markup can be in it.
    let action = next.sign_in_url();
    let (problem, invalid) = match problem {
        Some(problem) => (
            format!(
                r#"<div class="failure" id="problem" role="alert"><p class="failure-text failure-title">{}</p></div>"#,
                escaped(problem)
            ),
            r#" aria-invalid="true" aria-describedby="problem""#,
        ),
        None => (String::new(), ""),
    };
    let lead = if provider.is_some() {
        "Sign in where your organisation does. The link that <code>memdeck sign-in-link</code> prints signs in the administrator."
    } else if has_accounts {
        "Enter your name and password. The link that <code>memdeck sign-in-link</code> prints signs in the administrator."
    } else {
        "Open the link that memdeck prints at its start or with <code>memdeck sign-in-link</code>, or enter the token of this memdeck."
    };
    let forms = match provider {
        Some(provider) => {
            let link = provider_link(&next.provider_url(), provider);
            let password = if has_accounts { password_form(&action, invalid) } else { String::new() };
            format!("{link}\n{password}\n{}", token_apart(&action))
        }
        None if has_accounts => format!("{}\n{}", password_form(&action, invalid), token_apart(&action)),
        None => token_form(&action, &format!(" autofocus{invalid}")),
    };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sign in · memdeck</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/memdeck.css">
<link rel="icon" href="/favicon.svg">
<script src="/sign-in.js" defer></script>
</head>
<body>
<header class="navbar"><div class="navbar-inner">
<a class="brand" href="/"><img class="brand-mark" src="/favicon.svg" alt="" width="30" height="30"><span class="brand-name">memdeck</span></a>
</div></header>
<main class="page sign-in">
<div class="card">
<div>
<h1>Sign in</h1>
<p class="page-lead">{lead}</p>
</div>
{problem}
{forms}
<p class="footnote">You are signed out when you close the browser, 12 hours after the last use, and after 7 days.</p>
</div>
<form id="link" method="post" action="{action}" hidden><input type="hidden" name="code"></form>
</main>
</body>
</html>
"#
    )
}

/// Begins signing in at the provider.
fn provider_link(href: &str, provider: &str) -> String {
    format!(
        r#"<p class="sign-in-provider"><a class="button button-primary" href="{href}">Sign in with {}</a></p>"#,
        escaped(provider)
    )
}

/// As text within markup.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

fn password_form(action: &str, invalid: &str) -> String {
    format!(
        r#"<form class="sign-in-form" method="post" action="{action}">
<div>
<label class="field-label" for="name">Name</label>
<input class="field" id="name" name="name" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required autofocus{invalid}>
</div>
<div>
<label class="field-label" for="password">Password</label>
<input class="field" id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required{invalid}>
</div>
<button class="button button-primary" type="submit">Sign in</button>
</form>"#
    )
}

fn token_form(action: &str, attributes: &str) -> String {
    format!(
        r#"<form class="sign-in-form" method="post" action="{action}">
<div>
<label class="field-label" for="token">Token</label>
<input class="field" id="token" name="token" type="password" autocomplete="current-password" spellcheck="false" required{attributes}>
</div>
<button class="button button-primary" type="submit">Sign in</button>
</form>"#
    )
}

/// The administrator's way in, where others have accounts.
fn token_apart(action: &str) -> String {
    let form = token_form(action, "");
    format!("<details>\n<summary>Sign in with the token of this memdeck</summary>\n{form}\n</details>")
}
