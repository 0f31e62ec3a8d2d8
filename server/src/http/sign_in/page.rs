//! The sign-in page. The token needs no script, a link does; its look comes from the stylesheet of the built page.

use super::NextPage;

/// The page; `problem` says why signing in failed.
pub fn sign_in(next: &NextPage, problem: Option<&str>) -> String {
    // Only characters that a form encodes nothing of: no markup can be in it.
    let action = next.sign_in_url();
    let (problem, invalid) = match problem {
        Some(problem) => (
            format!(
                r#"<div class="failure" id="problem" role="alert"><p class="failure-text failure-title">{problem}</p></div>"#
            ),
            r#" aria-invalid="true" aria-describedby="problem""#,
        ),
        None => (String::new(), ""),
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
<form class="card" method="post" action="{action}">
<div>
<h1>Sign in</h1>
<p class="page-lead">Open the link that memdeck prints at its start or with <code>memdeck sign-in-link</code>, or enter the token of this memdeck.</p>
</div>
{problem}
<div>
<label class="field-label" for="token">Token</label>
<input class="field" id="token" name="token" type="password" autocomplete="current-password" spellcheck="false" required autofocus{invalid}>
</div>
<button class="button button-primary" type="submit">Sign in</button>
<p class="footnote">You are signed out when you close the browser, 12 hours after the last use, and after 7 days.</p>
</form>
<form id="link" method="post" action="{action}" hidden><input type="hidden" name="code"></form>
</main>
</body>
</html>
"#
    )
}
