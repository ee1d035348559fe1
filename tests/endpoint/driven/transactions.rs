//! Transactions of two sessions, isolation, locks by name.

use super::client::{connect, lines, number, number_of, run, started};
use std::time::{Duration, Instant};

const TABLE: &str = "CREATE TABLE [dbo].[T] ([Id] int NOT NULL PRIMARY KEY, [V] int NULL); INSERT INTO [dbo].[T] VALUES (1, 1)";

#[tokio::test]
async fn others_see_what_is_committed() {
    let (endpoint, mut a) = started().await;
    let mut b = connect(&endpoint).await;
    run(&mut a, TABLE).await;
    run(&mut a, "BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 2").await;
    assert_eq!(lines(&mut b, "SELECT [V] FROM [dbo].[T]").await, ["1"]);
    assert_eq!(number(&mut b, "SET LOCK_TIMEOUT 50; UPDATE [dbo].[T] SET [V] = 3").await, 1222);
    run(&mut a, "COMMIT TRANSACTION").await;
    assert_eq!(lines(&mut b, "SELECT [V] FROM [dbo].[T]").await, ["2"]);
    run(&mut a, "BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 5; ROLLBACK TRANSACTION").await;
    assert_eq!(lines(&mut b, "SELECT [V] FROM [dbo].[T]").await, ["2"]);
    drop(a);
    run(&mut b, "SET LOCK_TIMEOUT 5000; UPDATE [dbo].[T] SET [V] = 4").await;
}

#[tokio::test]
async fn snapshot_sees_its_beginning_and_conflicts() {
    let (endpoint, mut a) = started().await;
    let mut b = connect(&endpoint).await;
    run(&mut a, TABLE).await;
    run(&mut a, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION; SELECT [V] FROM [dbo].[T]")
        .await;
    run(&mut b, "UPDATE [dbo].[T] SET [V] = 2").await;
    assert_eq!(lines(&mut a, "SELECT [V] FROM [dbo].[T]").await, ["1"]);
    assert_eq!(number(&mut a, "UPDATE [dbo].[T] SET [V] = 3").await, 3960);
    assert_eq!(lines(&mut a, "SELECT @@TRANCOUNT, [V] FROM [dbo].[T]").await, ["0|2"]);
    run(&mut b, "ALTER DATABASE [Octopus] SET ALLOW_SNAPSHOT_ISOLATION OFF").await;
    run(&mut a, "BEGIN TRANSACTION").await;
    assert_eq!(number(&mut a, "SELECT [V] FROM [dbo].[T]").await, 3952);
    let sql = "SELECT d.[snapshot_isolation_state] FROM sys.databases AS d WHERE d.[database_id] = DB_ID()";
    assert_eq!(lines(&mut b, sql).await, ["0u8"]);
}

#[tokio::test]
async fn locking_reads_exclude_writers() {
    let (endpoint, mut a) = started().await;
    let mut b = connect(&endpoint).await;
    run(&mut a, TABLE).await;
    run(&mut b, "SET LOCK_TIMEOUT 30").await;
    for held in [
        "BEGIN TRANSACTION; SELECT t.[V] FROM [dbo].[T] AS t WITH (UPDLOCK, HOLDLOCK)",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION; SELECT t.[V] FROM [dbo].[T] AS t",
    ] {
        run(&mut a, held).await;
        assert_eq!(number(&mut b, "UPDATE [dbo].[T] SET [V] = 3").await, 1222, "{held}");
        run(&mut a, "COMMIT TRANSACTION").await;
        run(&mut b, "UPDATE [dbo].[T] SET [V] = 3").await;
    }
}

#[tokio::test]
async fn savepoints_and_nesting() {
    let (_endpoint, mut a) = started().await;
    run(&mut a, TABLE).await;
    run(
        &mut a,
        "BEGIN TRANSACTION; BEGIN TRANSACTION; UPDATE [dbo].[T] SET [V] = 2; SAVE TRANSACTION s1; UPDATE [dbo].[T] SET \
         [V] = 3; ROLLBACK TRANSACTION s1; COMMIT TRANSACTION",
    )
    .await;
    assert_eq!(lines(&mut a, "SELECT @@TRANCOUNT, [V] FROM [dbo].[T]").await, ["1|2"]);
    assert_eq!(number(&mut a, "ROLLBACK TRANSACTION nowhere").await, 6401);
    run(&mut a, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await;
    assert_eq!(lines(&mut a, "SELECT @@TRANCOUNT, [V] FROM [dbo].[T]").await, ["0|1"]);
    // Temporary tables are rolled back with the rest.
    run(&mut a, "BEGIN TRANSACTION; CREATE TABLE #s ([n] int NULL); ROLLBACK TRANSACTION").await;
    assert_eq!(number(&mut a, "SELECT * FROM #s").await, 208);
}

const LOCK: &str = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'sealift', @LockMode = N'Exclusive', @LockOwner = \
    N'Transaction', @LockTimeout = 200; SELECT @r";

#[tokio::test]
async fn locks_by_name_wait_and_time_out() {
    let (endpoint, mut a) = started().await;
    let mut b = connect(&endpoint).await;
    assert_eq!(lines(&mut a, LOCK).await, ["-999"], "without a transaction");
    run(&mut a, "BEGIN TRANSACTION").await;
    run(&mut b, "BEGIN TRANSACTION").await;
    assert_eq!(lines(&mut a, LOCK).await, ["0"]);
    assert_eq!(lines(&mut a, LOCK).await, ["0"], "again in the same session");
    let start = Instant::now();
    assert_eq!(lines(&mut b, LOCK).await, ["-1"]);
    assert!(start.elapsed() >= Duration::from_millis(200));
    let waiting = async { lines(&mut b, &LOCK.replace("200", "20000")).await };
    let releasing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        run(&mut a, "COMMIT TRANSACTION").await;
    };
    let (granted, ()) = tokio::join!(waiting, releasing);
    assert_eq!(granted, ["1"], "after waiting");
    // The connection's end lets it go.
    drop(b);
    run(&mut a, "BEGIN TRANSACTION").await;
    assert_eq!(lines(&mut a, &LOCK.replace("200", "5000")).await.len(), 1);
    let session = LOCK.replace("N'Transaction'", "N'Session'").replace("sealift", "other");
    assert_eq!(lines(&mut a, &session).await, ["0"]);
    run(&mut a, "COMMIT TRANSACTION").await;
    let mut c = connect(&endpoint).await;
    assert_eq!(lines(&mut c, &session).await, ["-1"], "a session's outlives the transaction");
}

#[tokio::test]
async fn the_transaction_manager_is_the_same_transaction() {
    let (_endpoint, mut a) = started().await;
    run(&mut a, TABLE).await;
    a.begin_transaction().await.unwrap();
    a.execute("UPDATE [dbo].[T] SET [V] = @P1", &[&9i32]).await.unwrap();
    assert_eq!(lines(&mut a, "SELECT @@TRANCOUNT").await, ["1"]);
    a.rollback_transaction().await.unwrap();
    assert_eq!(lines(&mut a, "SELECT [V] FROM [dbo].[T]").await, ["1"]);
    assert_eq!(number_of(a.commit_transaction().await), 3902);
}
