//! The name of the request that is being answered: log lines have it, and hosts that are called for it are told it.

use tokio::task_local;

task_local! {
    static NAME: String;
}

/// Answers a request that has this name.
pub async fn answer_named<T>(name: String, answer: impl Future<Output = T>) -> T {
    NAME.scope(name, answer).await
}

/// The name of the request that this task answers; `None` for work that nobody asked for just now.
#[must_use]
pub fn request_name() -> Option<String> {
    NAME.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_task_that_answers_has_the_name() {
        let told = answer_named("0123456789ab".to_owned(), async {
            let elsewhere = tokio::spawn(async { request_name() });
            (request_name(), elsewhere.await.unwrap())
        });
        assert_eq!(told.await, (Some("0123456789ab".to_owned()), None));
        assert_eq!(request_name(), None);
    }
}
