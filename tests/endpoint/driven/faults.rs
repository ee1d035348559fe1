//! Every kind of fault, proved to strike.

use super::client::{
    batch, config, connect, connect_as, error, lines, number, number_of, query, run, started,
};
use endpoint::{Direction, Endpoint, Fault, On, Options, What};
use std::time::{Duration, Instant};
use tiberius::{ColumnData, TokenRow};

const TABLE: &str = "CREATE TABLE [dbo].[T] ([Id] int NOT NULL PRIMARY KEY, [V] int NULL); INSERT INTO [dbo].[T] VALUES (1, 1)";

#[tokio::test]
async fn an_error_strikes_at_its_statement_and_count() {
    let (endpoint, mut c) = started().await;
    run(&mut c, TABLE).await;
    let struck = endpoint.fault(Fault::error("UPDATE [dbo].[T]", 547).nth(2).times(2));
    let mut numbers = Vec::new();
    for _ in 0..4 {
        numbers.push(match batch(&mut c, "UPDATE [dbo].[T] SET [V] = [V] + 1").await {
            Ok(_) => 0,
            failed => number_of(failed),
        });
    }
    assert_eq!(numbers, [0, 547, 547, 0]);
    assert_eq!(struck.count(), 2);
    assert_eq!(lines(&mut c, "SELECT [V] FROM [dbo].[T]").await, ["3"]);
    let unstruck = endpoint.fault(Fault::error("UPDATE", 547).session(9999));
    run(&mut c, "UPDATE [dbo].[T] SET [V] = 0").await;
    assert!(!unstruck.did());
}

#[tokio::test]
async fn a_deadlock_rolls_back_and_a_lock_timeout_does_not() {
    let (endpoint, mut c) = started().await;
    run(&mut c, TABLE).await;
    run(&mut c, "BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 5").await;
    let timeout = endpoint.fault(Fault::error("DELETE", 1222));
    assert_eq!(number(&mut c, "DELETE FROM [dbo].[T]").await, 1222);
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT").await, ["1"]);
    let deadlock = endpoint.fault(Fault::error("DELETE", 1205));
    let (number, text) = error(&mut c, "DELETE FROM [dbo].[T]; UPDATE [dbo].[T] SET [V] = 6").await;
    assert_eq!(number, 1205);
    assert!(text.contains("chosen as the deadlock victim"), "{text}");
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT, [V] FROM [dbo].[T]").await, ["0|1"]);
    assert!(timeout.did() && deadlock.did());
}

#[tokio::test]
async fn a_connection_closes_around_commit() {
    let (endpoint, mut reader) = started().await;
    run(&mut reader, TABLE).await;
    for (what, left) in [(What::CloseBefore, "1"), (What::CloseAfter, "2")] {
        let mut c = connect(&endpoint).await;
        run(&mut c, "BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 2").await;
        let struck = endpoint.fault(Fault::new(On::Sql("COMMIT".to_owned()), what.clone()));
        assert!(c.simple_query("COMMIT TRANSACTION").await.is_err(), "{what:?}");
        assert_eq!(struck.count(), 1);
        assert_eq!(lines(&mut reader, "SELECT [V] FROM [dbo].[T]").await, [left], "{what:?}");
        let commit = endpoint.requests().into_iter().rfind(|r| r.sql.contains("COMMIT")).unwrap();
        assert_eq!((commit.transactions_before, commit.transactions_after), (1, None));
    }
    // The same through the transaction manager.
    let mut c = connect(&endpoint).await;
    c.begin_transaction().await.unwrap();
    run(&mut c, "UPDATE [dbo].[T] SET [V] = 3").await;
    let struck = endpoint.fault(Fault::new(On::Sql("COMMIT".to_owned()), What::CloseAfter));
    assert!(c.commit_transaction().await.is_err());
    assert!(struck.did());
    assert_eq!(lines(&mut reader, "SELECT [V] FROM [dbo].[T]").await, ["3"]);
}

#[tokio::test]
async fn a_reply_is_cut_in_its_midst() {
    let (endpoint, mut c) = started().await;
    let struck = endpoint.fault(Fault::new(On::Sql("SELECT 1".to_owned()), What::CloseMidReply(20)));
    assert!(batch(&mut c, "SELECT 1").await.is_err());
    assert!(struck.did());
}

#[tokio::test]
async fn requests_are_struck_by_number() {
    let (endpoint, mut c) = started().await;
    let struck =
        endpoint.fault(Fault::new(On::Request(3), What::Error { number: 9002, message: String::new() }));
    run(&mut c, "SELECT 1").await;
    run(&mut c, "SELECT 2").await;
    assert_eq!(number(&mut c, "SELECT 3").await, 9002);
    run(&mut c, "SELECT 4").await;
    assert_eq!(struck.count(), 1);
}

#[tokio::test]
async fn a_delay_delays_and_packets_split() {
    let (endpoint, mut c) = started().await;
    let slow =
        endpoint.fault(Fault::new(On::Sql("SELECT 5".to_owned()), What::Delay(Duration::from_millis(120))));
    let start = Instant::now();
    run(&mut c, "SELECT 5").await;
    assert!(start.elapsed() >= Duration::from_millis(120) && slow.did());
    for size in [1, 2, 3, 7, 8, 9, 100] {
        let split = endpoint.fault(Fault::new(On::Sql("@P1".to_owned()), What::SplitPackets(size)));
        let text = "abc".repeat(3000);
        assert_eq!(
            query(&mut c, "SELECT @P1", &[&text.as_str()]).await.unwrap(),
            [[text.as_str()]],
            "{size}"
        );
        assert!(split.did());
    }
}

#[tokio::test]
async fn an_attention_ends_a_delay_and_takes_everything_back() {
    let (endpoint, mut c) = started().await;
    run(&mut c, TABLE).await;
    let mut waiting = connect(&endpoint).await;
    run(&mut waiting, "BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 2").await;
    let slow = endpoint
        .fault(Fault::new(On::Sql("DELETE FROM [dbo].[T]".to_owned()), What::Delay(Duration::from_secs(60))));
    let start = Instant::now();
    let delete = waiting.simple_query("DELETE FROM [dbo].[T]");
    assert!(tokio::time::timeout(Duration::from_millis(200), delete).await.is_err());
    waiting.cancel_query().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(30) && slow.did());
    run(&mut c, "SET LOCK_TIMEOUT 5000; UPDATE [dbo].[T] SET [Id] = [Id]").await;
    assert_eq!(lines(&mut c, "SELECT [V] FROM [dbo].[T]").await, ["1"]);
    assert!(endpoint.requests().iter().any(|r| r.kind == endpoint::Kind::Attention));
}

#[tokio::test]
async fn a_bulk_load_is_struck_at_a_row() {
    let (endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE [dbo].[B] ([n] int NOT NULL PRIMARY KEY)").await;
    for what in [What::Error { number: 1205, message: String::new() }, What::CloseBefore] {
        let mut c = connect(&endpoint).await;
        run(&mut c, "BEGIN TRANSACTION").await;
        let struck = endpoint.fault(Fault::new(On::BulkRow(500), what.clone()));
        let mut bulk = c.bulk_insert("[dbo].[B]").await.unwrap();
        let mut failed = false;
        for n in 0..20_000i32 {
            let mut row = TokenRow::new();
            row.push(ColumnData::I32(Some(n)));
            if bulk.send(row).await.is_err() {
                failed = true;
                break;
            }
        }
        failed = failed || bulk.finalize().await.is_err();
        assert!(failed && struck.count() == 1, "{what:?}");
        let load = endpoint.requests().into_iter().rfind(|r| r.kind == endpoint::Kind::Bulk).unwrap();
        assert_eq!(load.bulk_rows, 500);
    }
    run(&mut c, "SET LOCK_TIMEOUT 5000").await;
    assert_eq!(lines(&mut c, "SELECT COUNT(*) FROM [dbo].[B]").await, ["0"]);
}

#[tokio::test]
async fn logins_are_struck() {
    let endpoint = Endpoint::start(Options::default());
    let struck = endpoint.fault(Fault::new(On::Login, What::Error { number: 4060, message: String::new() }));
    assert_eq!(number_of(connect_as(config(&endpoint)).await.map(drop)), 4060);
    assert!(struck.did());
    connect(&endpoint).await;
}

/// One piece of work whose every packet boundary is cut, in both directions: it is done whole or not at all.
async fn work(endpoint: &Endpoint) -> tiberius::Result<()> {
    let mut c = connect_as(config(endpoint)).await?;
    batch(&mut c, "SET XACT_ABORT ON; BEGIN TRANSACTION; DELETE FROM [dbo].[T]").await?;
    c.execute("INSERT INTO [dbo].[T] VALUES (@P1, @P2)", &[&1i32, &7i32]).await?;
    batch(&mut c, "COMMIT TRANSACTION").await?;
    Ok(())
}

#[tokio::test]
async fn every_packet_boundary_can_be_cut() {
    let (endpoint, mut reader) = started().await;
    run(&mut reader, TABLE).await;
    work(&endpoint).await.unwrap();
    let session = endpoint.requests().last().unwrap().session;
    let (received, sent) = endpoint.traffic(session);
    assert_eq!((received, sent), (5, 5), "prelogin, login, three requests");
    for (direction, packets) in [(Direction::ToServer, received), (Direction::ToClient, sent)] {
        for packet in 0..packets {
            run(&mut reader, "SET LOCK_TIMEOUT 5000; UPDATE [dbo].[T] SET [V] = 1").await;
            let struck = endpoint.cut(direction, packet, None);
            // The reader's packets must not be those that are cut: it is past that number by then.
            assert!(work(&endpoint).await.is_err(), "{direction:?} {packet}");
            assert_eq!(struck.count(), 1, "{direction:?} {packet}");
            let committed = direction == Direction::ToClient && packet == packets - 1;
            let expected = if committed { "1|7" } else { "1|1" };
            run(&mut reader, "UPDATE [dbo].[T] SET [Id] = [Id]").await;
            assert_eq!(
                lines(&mut reader, "SELECT * FROM [dbo].[T]").await,
                [expected],
                "{direction:?} {packet}"
            );
            endpoint.clear_faults();
        }
    }
}
