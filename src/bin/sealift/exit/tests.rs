//! Exit codes and hints of servers' errors: the same however deep in another error they lie.

use super::*;
use sealift::document::KindName;

fn source() -> Box<dyn Error + Send + Sync> {
    "the driver's words".into()
}

fn text() -> String {
    "something".to_owned()
}

/// Each error that a server across a network can give, with its exit code and a word of its hint.
fn errors() -> Vec<(ServerError, Exit, &'static str)> {
    let (address, reason, doing) = (text, text, text);
    vec![
        (ServerError::Unreachable { address: address(), source: source() }, Exit::Failed, "1433"),
        (ServerError::Tls { address: address(), reason: reason() }, Exit::Failed, "ca=FILE"),
        (ServerError::Login { address: address(), reason: reason() }, Exit::WrongKey, "password"),
        (ServerError::Permission { doing: doing() }, Exit::Failed, "GRANT SELECT"),
        (
            ServerError::Unsupported { address: address(), reason: reason() },
            Exit::Refused,
            "nothing was changed",
        ),
        (ServerError::Deadlock { doing: doing() }, Exit::Failed, "run it again"),
        (ServerError::Lost { doing: doing(), source: source() }, Exit::Failed, "rolls everything back"),
        (ServerError::TakenBack, Exit::Failed, "run it again"),
        (ServerError::CommitUnknown { reason: reason() }, Exit::Unknown, "nothing to do"),
        (ServerError::Busy, Exit::Failed, "wait"),
        (ServerError::Full, Exit::Failed, "room"),
    ]
}

#[test]
fn each_server_error_has_its_code_and_hint() {
    for (error, exit, word) in errors() {
        let failure = Failure::from(error);
        assert_eq!(failure.exit, exit, "{failure:?}");
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains(word)), "{failure:?}");
    }
}

#[test]
fn an_interrupted_call_is_no_failure_of_the_server() {
    let cancelled = || ServerError::Cancelled(Cancelled);
    for failure in [
        Failure::from(cancelled()),
        Failure::from(ImportError::Server(cancelled())),
        Failure::from(ImportError::Translate(TranslateError::Server(cancelled()))),
        Failure::from(ExportError::Server(cancelled())),
        Failure::from(DemoError::Server(cancelled())),
    ] {
        assert_eq!(failure.exit, Exit::Interrupted, "{failure:?}");
        assert!(failure.message.contains("nothing was changed"), "{failure:?}");
    }
}

#[test]
fn errors_of_the_whole_transaction_keep_their_code_though_a_document_is_named() {
    let write = |source| ImportError::Write { kind: KindName::new("Project"), name: text(), source };
    for (error, exit, word) in errors() {
        let of_the_whole = matches!(
            error,
            ServerError::Permission { .. }
                | ServerError::Deadlock { .. }
                | ServerError::Lost { .. }
                | ServerError::TakenBack
                | ServerError::CommitUnknown { .. }
        );
        let failure = Failure::from(write(error));
        assert!(failure.message.contains("Project something"), "{failure:?}");
        let expected = if of_the_whole { (exit, word) } else { (Exit::Refused, "rolled back") };
        assert_eq!(failure.exit, expected.0, "{failure:?}");
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains(expected.1)), "{failure:?}");
    }
    let constraint = ServerError::Constraint { table: text(), reason: text() };
    assert_eq!(Failure::from(write(constraint)).exit, Exit::Refused);
}

#[test]
fn an_undo_file_that_is_there_is_never_forced() {
    let exists = || BundleError::Exists { path: "an.undo".into() };
    let hint = |failure: Failure| failure.hint.unwrap_or_default();
    assert!(hint(Failure::from(exists())).contains("--force"));
    assert!(!hint(Failure::from(ImportError::Bundle(exists()))).contains("--force"));
    assert!(hint(Failure::from(ImportError::Bundle(exists()))).contains("another undo file"));
}
