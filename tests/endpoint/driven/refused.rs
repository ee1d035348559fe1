//! Fail closed: what is not understood is an error, never passed over.

use super::client::{batch, run, started};

const REFUSED: &[&str] = &[
    "MERGE [dbo].[T] AS t USING #s AS s ON t.[Id] = s.[Id] WHEN MATCHED THEN UPDATE SET [V] = 1",
    "SELECT * FROM [dbo].[T] FOR JSON AUTO",
    "SELECT * FROM [dbo].[T] FOR XML PATH",
    "SELECT [Id], ROW_NUMBER() OVER (ORDER BY [Id]) FROM [dbo].[T]",
    "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
    "SELECT * INTO #t FROM [dbo].[T]",
    "SELECT * FROM [dbo].[T] WITH (NOLOCK)",
    "SELECT * FROM [dbo].[T] OPTION (MAXDOP 1)",
    "SELECT TOP 10 PERCENT * FROM [dbo].[T]",
    "SELECT * FROM [dbo].[T] AS t CROSS APPLY OPENJSON(t.[V])",
    "SELECT * FROM [dbo].[T] AS t RIGHT JOIN [dbo].[T] AS u ON 1 = 1",
    "INSERT INTO [dbo].[T] ([Id]) OUTPUT inserted.[Id] VALUES (5)",
    "UPDATE [dbo].[T] SET [V] += 1",
    "DELETE TOP (1) FROM [dbo].[T]",
    "CREATE TRIGGER [x] ON [dbo].[T] AFTER INSERT AS SELECT 1",
    "CREATE VIEW [dbo].[v] AS SELECT 1 AS a",
    "CREATE PROCEDURE [dbo].[p] AS SELECT 1",
    "CREATE INDEX [i] ON [dbo].[T] ([V]) WHERE [V] > 1",
    "CREATE INDEX [i] ON [dbo].[T] ([V]) WITH (FILLFACTOR = 80)",
    "CREATE TABLE [dbo].[X] ([a] geography NULL)",
    "CREATE TABLE [dbo].[X] ([a] sql_variant NULL)",
    "CREATE TABLE [dbo].[X] ([a] int NULL REFERENCES [dbo].[T] ([Id]) ON DELETE CASCADE)",
    "CREATE TABLE [dbo].[X] ([a] AS (1 + 1) PERSISTED, [b] int NULL)",
    "ALTER TABLE [dbo].[T] NOCHECK CONSTRAINT ALL",
    "ALTER TABLE [dbo].[T] ALTER COLUMN [V] bigint NULL",
    "ALTER DATABASE [Octopus] SET RECOVERY SIMPLE",
    "EXEC sp_rename 'a', 'b'",
    "EXEC (N'SELECT 1')",
    "EXECUTE AS USER = N'x'",
    "SET ROWCOUNT 5",
    "SET ANSI_NULLS OFF",
    "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    "WHILE 1 = 1 BREAK",
    "BEGIN TRY SELECT 1 END TRY BEGIN CATCH SELECT 2 END CATCH",
    "RAISERROR (N'x', 16, 1)",
    "GOTO x",
    "DECLARE @t TABLE ([a] int)",
    "DECLARE c CURSOR FOR SELECT 1",
    "GRANT SELECT ON [dbo].[T] TO [x]",
    "BACKUP DATABASE [x] TO DISK = N'x'",
    "SELECT * FROM [Other].[dbo].[T]",
    "SELECT * FROM sys.dm_exec_requests",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SELECT STRING_AGG([V], N',') FROM [dbo].[T]",
    "SELECT SERVERPROPERTY(N'ProductVersion')",
    "SELECT CONVERT(nvarchar(30), CAST(N'2024-01-01' AS datetime), 113)",
    "SELECT 1 EXCEPT SELECT 2",
    "SELECT [Id] FROM [dbo].[T] WHERE [Id] = ANY (SELECT 1)",
    "SELECT 1 = 1",
    "SELECT 1 WHERE 1",
    "SELECT (1, 2)",
    "SELECT N'open",
    "SELECT [open",
    "SELECT 1 /* open",
    "SELECT @undeclared",
    "SELECT @@NESTLEVEL",
    "COMMIT TRANSACTION SELECT FROM",
    "PRAGMA user_version",
    "ATTACH DATABASE 'x' AS x",
    "SELECT sqlite_version()",
    "nonsense",
];

#[tokio::test]
async fn what_is_not_understood_is_an_error() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE [dbo].[T] ([Id] int NOT NULL PRIMARY KEY, [V] int NULL)").await;
    let mut passed = Vec::new();
    for sql in REFUSED {
        match batch(&mut c, sql).await {
            Err(tiberius::error::Error::Server(_)) => {}
            other => passed.push(format!("{sql}: {other:?}")),
        }
        // Nothing of a batch runs unless all of it is understood.
        let both = format!("INSERT INTO [dbo].[T] ([Id]) VALUES (1); {sql}");
        if let Err(tiberius::error::Error::Server(e)) = batch(&mut c, &both).await
            && [102, 105, 113, 156].contains(&e.code())
        {
            let left = super::client::lines(&mut c, "SELECT COUNT(*) FROM [dbo].[T]").await;
            assert_eq!(left, ["0"], "{sql}");
        }
        run(&mut c, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; DELETE FROM [dbo].[T]").await;
    }
    assert!(passed.is_empty(), "{passed:#?}");
}
