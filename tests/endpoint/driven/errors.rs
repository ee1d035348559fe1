//! Constraints, and what errors do to statements, batches and transactions.

use super::client::{batch, error, lines, number, number_of, query, run, started};
use endpoint::{Endpoint, Options};

const TABLES: &str = "CREATE TABLE [dbo].[U] ([Id] nvarchar(50) NOT NULL, [Name] nvarchar(50) NOT NULL, [N] int NULL, \
    CONSTRAINT [PK_U] PRIMARY KEY CLUSTERED ([Id]), CONSTRAINT [UQ_U] UNIQUE ([Name], [N]), \
    CONSTRAINT [CK_U] CHECK ([N] > 0)); \
    CREATE TABLE [dbo].[T] ([Id] int IDENTITY(1,1) NOT NULL, [U] nvarchar(50) NULL, [B] int NOT NULL DEFAULT ((7)), \
    [X] AS ([B] + 1), [S] rowversion NOT NULL, CONSTRAINT [PK_T] PRIMARY KEY ([Id])); \
    ALTER TABLE [dbo].[T] ADD CONSTRAINT [FK_1] FOREIGN KEY ([U]) REFERENCES [dbo].[U] ([Id]); \
    CREATE UNIQUE INDEX [IX_B] ON [dbo].[T] ([B])";

#[tokio::test]
async fn constraints_speak_as_sql_server_does() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, TABLES).await;
    run(&mut c, "INSERT INTO [dbo].[U] VALUES (N'a', N'x', 1), (N'b', N'x', NULL)").await;
    run(&mut c, "INSERT INTO [dbo].[T] ([U]) VALUES (N'A ')").await;
    for (sql, expected) in [
        (
            "INSERT INTO [dbo].[U] VALUES (N'A ', N'y', 1)",
            (
                2627,
                "Violation of PRIMARY KEY constraint 'PK_U'. Cannot insert duplicate key in object 'dbo.U'. The \
              duplicate key value is (A ).",
            ),
        ),
        (
            "INSERT INTO [dbo].[U] VALUES (N'c', N'X', NULL)",
            (
                2627,
                "Violation of UNIQUE KEY constraint 'UQ_U'. Cannot insert duplicate key in object 'dbo.U'. The \
              duplicate key value is (X, <NULL>).",
            ),
        ),
        (
            "INSERT INTO [dbo].[T] ([B]) VALUES (7)",
            (
                2601,
                "Cannot insert duplicate key row in object 'dbo.T' with unique index 'IX_B'. The duplicate key \
              value is (7).",
            ),
        ),
        (
            "INSERT INTO [dbo].[U] VALUES (N'c', NULL, 1)",
            (
                515,
                "Cannot insert the value NULL into column 'Name', table 'Octopus.dbo.U'; column does not allow \
              nulls. INSERT fails.",
            ),
        ),
        (
            "INSERT INTO [dbo].[U] VALUES (N'c', N'c', 0)",
            (
                547,
                "The INSERT statement conflicted with the CHECK constraint \"CK_U\". The conflict occurred in \
              database \"Octopus\", table \"dbo.U\", column 'N'.",
            ),
        ),
        (
            "INSERT INTO [dbo].[T] ([U], [B]) VALUES (N'none', 9)",
            (
                547,
                "The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_1\". The conflict occurred in \
              database \"Octopus\", table \"dbo.U\", column 'Id'.",
            ),
        ),
        (
            "DELETE FROM [dbo].[U] WHERE [Id] = N'a'",
            (
                547,
                "The DELETE statement conflicted with the REFERENCE constraint \"FK_1\". The conflict occurred in \
              database \"Octopus\", table \"dbo.T\", column 'U'.",
            ),
        ),
        (
            "UPDATE [dbo].[U] SET [Id] = N'z' WHERE [Id] = N'a'",
            (
                547,
                "The UPDATE statement conflicted with the REFERENCE constraint \"FK_1\". The conflict occurred in \
              database \"Octopus\", table \"dbo.T\", column 'U'.",
            ),
        ),
        (
            "INSERT INTO [dbo].[T] ([Id], [B]) VALUES (9, 9)",
            (
                544,
                "Cannot insert explicit value for identity column in table 'T' when IDENTITY_INSERT is set to OFF.",
            ),
        ),
    ] {
        let (number, text) = error(&mut c, sql).await;
        assert_eq!((number, text.as_str()), expected, "{sql}");
    }
    for (sql, expected) in [
        ("UPDATE [dbo].[T] SET [X] = 1", 271),
        ("UPDATE [dbo].[T] SET [S] = 0x00", 272),
        ("UPDATE [dbo].[T] SET [Id] = 5", 8102),
        ("INSERT INTO [dbo].[T] ([S], [B]) VALUES (0x00, 9)", 273),
        ("INSERT INTO [dbo].[U] ([Id]) VALUES (N'c', N'd')", 110),
        ("INSERT INTO [dbo].[U] ([Id], [Name]) VALUES (N'c')", 109),
        ("INSERT INTO [dbo].[U] ([Nope]) VALUES (N'c')", 207),
        ("SELECT * FROM [dbo].[Nope]", 208),
        ("SET IDENTITY_INSERT [dbo].[T] ON; INSERT INTO [dbo].[T] ([B]) VALUES (9)", 545),
        ("DROP TABLE [dbo].[U]", 3726),
        ("TRUNCATE TABLE [dbo].[U]", 4712),
        ("SELECT 1 / 0", 8134),
        ("COMMIT TRANSACTION", 3902),
        ("ROLLBACK TRANSACTION", 3903),
    ] {
        assert_eq!(number(&mut c, sql).await, expected, "{sql}");
    }
    assert_eq!(lines(&mut c, "SELECT COUNT(*) FROM [dbo].[U]").await, ["2"]);
}

#[tokio::test]
async fn keys_that_change_places_are_checked_at_the_end() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE [dbo].[P] ([Id] int NOT NULL PRIMARY KEY, [Parent] int NULL REFERENCES [dbo].[P] ([Id]), \
        [Name] nvarchar(10) NOT NULL UNIQUE)").await;
    run(&mut c, "INSERT INTO [dbo].[P] VALUES (1, 2, N'a'), (2, 1, N'b'), (3, NULL, N'c')").await;
    run(
        &mut c,
        "UPDATE [dbo].[P] SET [Name] = CASE [Id] WHEN 1 THEN N'b' ELSE N'a' END WHERE [Id] IN (1, 2)",
    )
    .await;
    run(&mut c, "UPDATE [dbo].[P] SET [Id] = [Id] + 1, [Parent] = [Parent] + 1").await;
    let found = lines(&mut c, "SELECT [Id], [Parent], [Name] FROM [dbo].[P] ORDER BY [Id]").await;
    assert_eq!(found, ["2|3|b", "3|2|a", "4|NULL|c"]);
    run(&mut c, "DELETE FROM [dbo].[P]").await;
}

#[tokio::test]
async fn a_failing_statement_undoes_itself_alone() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, TABLES).await;
    run(&mut c, "BEGIN TRANSACTION; INSERT INTO [dbo].[U] VALUES (N'a', N'a', 1)").await;
    let sql = "INSERT INTO [dbo].[U] VALUES (N'b', N'b', 1), (N'c', N'c', 1), (N'a', N'd', 1)";
    assert_eq!(number(&mut c, sql).await, 2627);
    // XACT_ABORT OFF: the transaction goes on, and so does a batch after the error.
    let failed = batch(
        &mut c,
        "INSERT INTO [dbo].[U] VALUES (N'b', NULL, 1); INSERT INTO [dbo].[U] VALUES (N'd', N'd', 1)",
    )
    .await;
    assert_eq!(number_of(failed), 515);
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT").await, ["1"]);
    run(&mut c, "COMMIT TRANSACTION").await;
    assert_eq!(lines(&mut c, "SELECT [Id] FROM [dbo].[U] ORDER BY [Id]").await, ["a", "d"]);
}

#[tokio::test]
async fn xact_abort_rolls_everything_back_at_once() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, TABLES).await;
    run(&mut c, "SET XACT_ABORT ON; BEGIN TRANSACTION; INSERT INTO [dbo].[U] VALUES (N'a', N'a', 1)").await;
    let failed = batch(
        &mut c,
        "INSERT INTO [dbo].[U] VALUES (N'b', NULL, 1); INSERT INTO [dbo].[U] VALUES (N'd', N'd', 1)",
    )
    .await;
    assert_eq!(number_of(failed), 515);
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT, XACT_STATE()").await, ["0|0i16"]);
    assert_eq!(lines(&mut c, "SELECT COUNT(*) FROM [dbo].[U]").await, ["0"]);
    // THROW ends the batch, and with XACT_ABORT the transaction.
    let sql = "BEGIN TRANSACTION; INSERT INTO [dbo].[U] VALUES (N'a', N'a', 1); IF @@ROWCOUNT <> 2 THROW 50001, N'stale', 3; \
        COMMIT TRANSACTION";
    let (number, text) = error(&mut c, sql).await;
    assert_eq!((number, text.as_str()), (50001, "stale"));
    assert_eq!(lines(&mut c, "SELECT COUNT(*) FROM [dbo].[U]").await, ["0"]);
    // What does not parse runs not at all and leaves the transaction.
    run(&mut c, "BEGIN TRANSACTION").await;
    assert_eq!(
        super::client::number(&mut c, "INSERT INTO [dbo].[U] VALUES (N'a', N'a', 1); SELEKT").await,
        102
    );
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT").await, ["1"]);
}

#[tokio::test]
async fn conversions_end_the_transaction_even_without_xact_abort() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "BEGIN TRANSACTION").await;
    assert_eq!(number(&mut c, "SELECT CAST(N'x' AS int)").await, 245);
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT").await, ["0"]);
}

#[tokio::test]
async fn limits_are_sql_servers() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE #s ([n] int NOT NULL)").await;
    let rows = |n: usize| vec!["(1)"; n].join(",");
    run(&mut c, &format!("INSERT INTO #s ([n]) VALUES {}", rows(1000))).await;
    assert_eq!(number(&mut c, &format!("INSERT INTO #s ([n]) VALUES {}", rows(1001))).await, 10738);
    let many: Vec<&dyn tiberius::ToSql> = vec![&1i32; 2098];
    let marks: Vec<String> = (1..=2098).map(|n| format!("@P{n}")).collect();
    let sql = format!("SELECT 1 WHERE 1 IN ({})", marks.join(","));
    assert_eq!(query(&mut c, &sql, &many).await.unwrap(), [["1"]]);
    let more: Vec<&dyn tiberius::ToSql> = vec![&1i32; 2099];
    assert_eq!(number_of(query(&mut c, &sql, &more).await), 8003);
    // What changes @@TRANCOUNT within a call is 266.
    assert_eq!(number_of(c.execute("BEGIN TRANSACTION", &[]).await.map(|_| ())), 266);
    assert_eq!(lines(&mut c, "SELECT @@TRANCOUNT").await, ["1"]);
    run(&mut c, "ROLLBACK TRANSACTION").await;
    // And its temporary tables and settings go with it.
    c.execute("SET XACT_ABORT ON; CREATE TABLE #gone ([n] int NULL)", &[]).await.unwrap();
    assert_eq!(number(&mut c, "SELECT * FROM #gone").await, 208);
}

#[tokio::test]
async fn rights_read_only_and_collations() {
    let endpoint =
        Endpoint::start(Options { server_collation: "Latin1_General_BIN2".to_owned(), ..Options::default() });
    let mut c = super::client::connect(&endpoint).await;
    run(&mut c, TABLES).await;
    endpoint.change(|o| {
        o.denied = vec![("INSERT".to_owned(), "U".to_owned()), ("CREATE TABLE".to_owned(), String::new())]
    });
    let (number_, text) = error(&mut c, "INSERT INTO [dbo].[U] VALUES (N'a', N'a', 1)").await;
    assert_eq!(
        (number_, text.as_str()),
        (229, "The INSERT permission was denied on the object 'U', database 'Octopus', schema 'dbo'.")
    );
    assert_eq!(number(&mut c, "CREATE TABLE [dbo].[V] ([n] int NULL)").await, 262);
    assert_eq!(
        lines(
            &mut c,
            "SELECT HAS_PERMS_BY_NAME(N'[dbo].[U]', N'OBJECT', N'INSERT'), HAS_PERMS_BY_NAME(N'[dbo].[U]', \
            N'OBJECT', N'UPDATE'), HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'CREATE TABLE')"
        )
        .await,
        ["0|1|0"]
    );
    endpoint.change(|o| o.read_only = true);
    assert_eq!(number(&mut c, "DELETE FROM [dbo].[U]").await, 3906);
    run(&mut c, "CREATE TABLE #s ([c] nvarchar(50) NULL, [d] nvarchar(50) COLLATE DATABASE_DEFAULT NULL)")
        .await;
    // tempdb has the server's collation: what names none does not meet the database's.
    assert_eq!(number(&mut c, "SELECT 1 FROM #s AS s JOIN [dbo].[U] AS u ON u.[Id] = s.[c]").await, 468);
    run(&mut c, "SELECT 1 FROM #s AS s JOIN [dbo].[U] AS u ON u.[Id] = s.[d]").await;
}
