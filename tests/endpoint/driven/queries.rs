//! The statements that Sealift sends.

use super::client::{connect, lines, number, query, run, started};

const TABLE: &str = "CREATE TABLE [dbo].[T] ([A] nvarchar(50) NOT NULL, [B] int NOT NULL DEFAULT ((7)), [C] decimal(10,2) \
    NULL, [Id] int IDENTITY(1,1) NOT NULL, [S] rowversion NOT NULL, [X] AS ([B] + 1), [G] datetimeoffset(7) NULL DEFAULT \
    (sysdatetimeoffset()), [K] nvarchar(20) COLLATE Latin1_General_BIN2 NULL, CONSTRAINT [PK_T] PRIMARY KEY CLUSTERED \
    ([A]), CONSTRAINT [UQ_T_0] UNIQUE ([B],[C]), CONSTRAINT [CK] CHECK ([B] > 0))";

#[tokio::test]
async fn the_catalog_tells_what_was_made() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, TABLE).await;
    let sql = "SELECT t.[name], c.[name], TYPE_NAME(c.[system_type_id]), c.[max_length], c.[precision], c.[scale], \
        c.[is_nullable], c.[is_identity], c.[is_computed], c.[collation_name], d.[definition] FROM sys.tables AS t JOIN \
        sys.schemas AS h ON h.[schema_id] = t.[schema_id] JOIN sys.columns AS c ON c.[object_id] = t.[object_id] LEFT \
        JOIN sys.default_constraints AS d ON d.[parent_object_id] = c.[object_id] AND d.[parent_column_id] = \
        c.[column_id] WHERE h.[name] = N'dbo' AND t.[is_ms_shipped] = 0 ORDER BY t.[name], c.[column_id]";
    assert_eq!(
        lines(&mut c, sql).await,
        [
            "T|A|nvarchar|100i16|0u8|0u8|false|false|false|SQL_Latin1_General_CP1_CI_AS|NULL",
            "T|B|int|4i16|10u8|0u8|false|false|false|NULL|((7))",
            "T|C|decimal|9i16|10u8|2u8|true|false|false|NULL|NULL",
            "T|Id|int|4i16|10u8|0u8|false|true|false|NULL|NULL",
            "T|S|timestamp|8i16|0u8|0u8|false|false|false|NULL|NULL",
            "T|X|int|4i16|10u8|0u8|false|false|true|NULL|NULL",
            "T|G|datetimeoffset|10i16|34u8|7u8|true|false|false|NULL|(sysdatetimeoffset())",
            "T|K|nvarchar|40i16|0u8|0u8|true|false|false|Latin1_General_BIN2|NULL",
        ]
    );
    let sql = "SELECT i.[name], i.[is_unique], i.[is_primary_key], COL_NAME(k.[object_id], k.[column_id]), \
        k.[key_ordinal] FROM sys.indexes AS i JOIN sys.index_columns AS k ON k.[object_id] = i.[object_id] AND \
        k.[index_id] = i.[index_id] WHERE i.[object_id] = OBJECT_ID(N'[dbo].[T]') ORDER BY i.[index_id], k.[key_ordinal]";
    assert_eq!(
        lines(&mut c, sql).await,
        ["PK_T|true|true|A|1u8", "UQ_T_0|true|false|B|1u8", "UQ_T_0|true|false|C|2u8"]
    );
    let sql = "SELECT d.[name], d.[compatibility_level], d.[collation_name], d.[snapshot_isolation_state], \
        d.[is_read_only], CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) FROM sys.databases AS d WHERE \
        d.[database_id] = DB_ID()";
    let facts = ["Octopus|160u8|SQL_Latin1_General_CP1_CI_AS|1u8|false|16.0.1000.6"];
    assert_eq!(lines(&mut c, sql).await, facts);
    assert_eq!(
        lines(&mut c, "SELECT OBJECT_ID(N'tempdb..#s'), SCHEMA_ID(N'dbo'), DB_NAME()").await,
        ["NULL|1|Octopus"]
    );
    run(&mut c, "CREATE TABLE [dbo].[U] ([Id] int NOT NULL PRIMARY KEY, [T] nvarchar(50) NULL); ALTER TABLE [dbo].[U] ADD \
        CONSTRAINT [FK_1] FOREIGN KEY ([T]) REFERENCES [dbo].[T] ([A])").await;
    let sql = "SELECT f.[name], OBJECT_NAME(f.[parent_object_id]), OBJECT_NAME(f.[referenced_object_id]), \
        COL_NAME(k.[parent_object_id], k.[parent_column_id]), COL_NAME(k.[referenced_object_id], \
        k.[referenced_column_id]) FROM sys.foreign_keys AS f JOIN sys.foreign_key_columns AS k ON \
        k.[constraint_object_id] = f.[object_id] WHERE f.[is_disabled] = 0";
    assert_eq!(lines(&mut c, sql).await, ["FK_1|U|T|T|A"]);
    run(&mut c, "ALTER TABLE [dbo].[U] DROP CONSTRAINT [FK_1]; DROP TABLE [dbo].[T]").await;
    assert_eq!(lines(&mut c, "SELECT [name] FROM sys.tables").await, ["U"]);
}

#[tokio::test]
async fn staged_rows_are_inserted_and_updated() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, TABLE).await;
    run(
        &mut c,
        "CREATE TABLE #s1 ([n] bigint NOT NULL PRIMARY KEY, [c0] nvarchar(50) COLLATE DATABASE_DEFAULT NULL, \
        [c1] nvarchar(max) COLLATE DATABASE_DEFAULT NULL, [c2] nvarchar(max) COLLATE DATABASE_DEFAULT NULL)",
    )
    .await;
    let inserted = c
        .execute(
            "INSERT INTO #s1 ([n],[c0],[c1],[c2]) VALUES (@P1,@P2,@P3,@P4),(@P5,@P6,@P7,@P8)",
            &[
                &1i64,
                &"one",
                &"10.5",
                &"2024-05-06T07:08:09+02:00",
                &2i64,
                &"Two",
                &None::<&str>,
                &None::<&str>,
            ],
        )
        .await
        .unwrap();
    assert_eq!(inserted.total(), 2);
    let sql = "INSERT INTO [dbo].[T] ([A],[B],[C],[G]) SELECT s.[c0], CAST(s.[n] AS int), CONVERT(decimal(10,2), s.[c1]), \
        CONVERT(datetimeoffset(7), s.[c2]) FROM #s1 AS s WHERE s.[n] BETWEEN @P1 AND @P2 ORDER BY s.[n]";
    assert_eq!(c.execute(sql, &[&1i64, &2i64]).await.unwrap().total(), 2);
    let all = "SELECT t.[A], t.[B], t.[C], t.[Id], t.[X], CAST(t.[C] AS decimal(19,4)), CAST(NULL AS int) FROM [dbo].[T] AS \
        t ORDER BY t.[A]";
    assert_eq!(lines(&mut c, all).await, ["one|1|10.50|1|2|10.5000|NULL", "Two|2|NULL|2|3|NULL|NULL"]);
    run(&mut c, "UPDATE #s1 SET [c1] = N'7.25' WHERE [n] = 2").await;
    let before = lines(&mut c, "SELECT [S] FROM [dbo].[T] ORDER BY [A]").await;
    let sql = "UPDATE t SET t.[C] = CONVERT(decimal(10,2), s.[c1]), t.[B] = t.[B] + 10 FROM [dbo].[T] AS t JOIN #s1 AS s \
        ON t.[A] = s.[c0] WHERE s.[n] = 2";
    run(&mut c, sql).await;
    let after = lines(&mut c, "SELECT [S] FROM [dbo].[T] ORDER BY [A]").await;
    assert!(before[0] == after[0] && before[1] < after[1], "{before:?} {after:?}");
    let missing = "SELECT s.[n], COUNT_BIG(t.[Id]) FROM #s1 AS s LEFT JOIN [dbo].[T] AS t ON t.[A] = s.[c0] AND t.[B] > 5 \
        GROUP BY s.[n] HAVING COUNT_BIG(t.[Id]) <> 1";
    assert_eq!(lines(&mut c, missing).await, ["1i64|0i64"]);
    let sql =
        "DELETE FROM [dbo].[T] WHERE EXISTS (SELECT 1 FROM #s1 AS s WHERE s.[c0] = [T].[A] AND s.[n] = 1)";
    run(&mut c, sql).await;
    assert_eq!(lines(&mut c, all).await, ["Two|12|7.25|2|13|7.2500|NULL"]);
    run(
        &mut c,
        "SET IDENTITY_INSERT [dbo].[T] ON; INSERT INTO [dbo].[T] ([A], [Id], [C]) VALUES (N'x', 50, 1); SET \
        IDENTITY_INSERT [dbo].[T] OFF; INSERT INTO [dbo].[T] ([A], [C]) VALUES (N'y', 2)",
    )
    .await;
    assert_eq!(lines(&mut c, "SELECT [Id] FROM [dbo].[T] WHERE [A] = N'Y '").await, ["51"]);
    assert_eq!(lines(&mut c, "SELECT MAX(CAST(t.[Id] AS bigint)) FROM [dbo].[T] AS t").await, ["51i64"]);
    run(&mut c, "TRUNCATE TABLE #s1; DROP TABLE #s1; DROP TABLE IF EXISTS #s1").await;
}

#[tokio::test]
async fn pages_and_keys_in_json() {
    let (endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE [dbo].[P] ([A] nvarchar(50) NOT NULL, [B] int NULL, [D] varbinary(8) NULL, CONSTRAINT [PK_P] \
        PRIMARY KEY ([A]))").await;
    run(&mut c, "INSERT INTO [dbo].[P] VALUES (N'a', 1, 0x01), (N'B', NULL, 0x02), (N'c', 3, NULL), (N'd''\"\\', 4, NULL)").await;
    let page = "SELECT TOP (2) t.[A], t.[B] FROM [dbo].[P] AS t WHERE (t.[A] > @P1 OR (t.[A] = @P1 AND t.[B] > @P2)) ORDER \
        BY t.[A], t.[B]";
    let rows = query(&mut c, page, &[&"A", &0i32]).await.unwrap();
    assert_eq!(rows, [["a", "1"], ["B", "NULL"]]);
    let json = r#"[[1,"b",null,"02"],[2,"A ",1,null],[3,"none",1,null],[4,"d'\"\\",4,"ff"],[5,"c",4,null]]"#;
    let sql = "SELECT k.[n], t.[A], t.[B], CONVERT(varbinary(max), k.[c2], 2) FROM OPENJSON(@P1) WITH ([n] int '$[0]', [c0] \
        nvarchar(50) '$[1]', [c1] int '$[2]', [c2] nvarchar(max) '$[3]') AS k JOIN [dbo].[P] AS t ON t.[A] = k.[c0] AND \
        (t.[B] = k.[c1] OR (t.[B] IS NULL AND k.[c1] IS NULL)) ORDER BY k.[n]";
    let rows = query(&mut c, sql, &[&json]).await.unwrap();
    assert_eq!(rows, [["1", "B", "NULL", "02"], ["2", "a", "1", "NULL"], ["4", "d'\"\\", "4", "FF"]]);
    let text = query(
        &mut c,
        "SELECT k.[t] FROM OPENJSON(@P1) WITH ([t] nvarchar(max)) AS k",
        &[&r#"{"t":"\u0000\ud83d\ude00x"}"#],
    );
    assert_eq!(text.await.unwrap(), [["\u{0}\u{1F600}x"]]);
    assert_eq!(super::client::number_of(query(&mut c, sql, &[&"[1"]).await), 13609);
    endpoint.change(|o| o.compatibility_level = 120);
    assert_eq!(super::client::number_of(query(&mut c, sql, &[&json]).await), 208);
}

#[tokio::test]
async fn a_script_runs_as_one_batch() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE [dbo].[T] ([Id] nvarchar(50) NOT NULL PRIMARY KEY, [B] int NULL, [D] varbinary(max) NULL, [J] \
        nvarchar(max) NULL)").await;
    run(
        &mut c,
        "SET XACT_ABORT ON;\nBEGIN TRANSACTION;\n-- a comment; with a semicolon\nIF @@TRANCOUNT = 0 THROW 50000, N'text', \
         1;\nINSERT INTO [dbo].[T] ([Id], [B], [D], [J]) VALUES (N'it''s', 1, 0x00FF, N'$' + N'(x)' + NCHAR(13) + NCHAR(10) + \
         CAST(N'' AS nvarchar(max)));\nUPDATE [dbo].[T] SET [B] = 2 WHERE [Id] = N'it''s' AND ([B] = 1 OR [B] IS NULL);\nIF \
         @@ROWCOUNT <> 1 THROW 50000, N'stale', 1;\nDECLARE @x nvarchar(max) = N'a';\nSET @x = @x + N'b';\nUPDATE [dbo].[T] SET \
         [J] = [J] + @x;\nIF @@ROWCOUNT <> 1 BEGIN; THROW 50000, N'gone', 1; END;\nCOMMIT TRANSACTION",
    )
    .await;
    assert_eq!(lines(&mut c, "SELECT * FROM [dbo].[T]").await, ["it's|2|00FF|$(x)\r\nab"]);
    // Literals that are joined are cut at 4,000 unless one is max.
    let half = "x".repeat(3000);
    let cut =
        format!("SELECT LEN(N'{half}' + N'{half}'), LEN(CAST(N'' AS nvarchar(max)) + N'{half}' + N'{half}')");
    assert_eq!(lines(&mut c, &cut).await, ["4000|6000"]);
}

#[tokio::test]
async fn several_databases() {
    let (endpoint, mut c) = started().await;
    run(&mut c, "CREATE DATABASE [Other]").await;
    let mut config = super::client::config(&endpoint);
    config.database("Other");
    let mut other = super::client::connect_as(config).await.unwrap();
    run(&mut other, "USE [Other]; CREATE TABLE [dbo].[T] ([n] int NULL)").await;
    assert_eq!(number(&mut c, "SELECT * FROM [dbo].[T]").await, 208);
    assert_eq!(number(&mut c, "USE [Nowhere]").await, 911);
    other.close().await.unwrap();
    run(&mut c, "DROP DATABASE [Other]; DROP DATABASE IF EXISTS [Other]").await;
    let count: i64 = endpoint.connection("Octopus").query_row("SELECT 1", [], |r| r.get(0)).unwrap();
    assert_eq!(count, 1);
    connect(&endpoint).await;
}

#[tokio::test]
async fn conditions_are_three_valued() {
    let (_endpoint, mut c) = started().await;
    run(&mut c, "CREATE TABLE #t ([n] int NULL, [s] nvarchar(20) NULL); INSERT INTO #t VALUES (1, N'Apple_x'), (2, NULL), \
        (NULL, N'100%')").await;
    for (condition, expected) in [
        ("[n] IN (1, NULL)", "1"),
        ("[n] NOT IN (1, NULL)", "0"),
        ("[n] NOT IN (SELECT [n] FROM #t)", "0"),
        ("[n] NOT IN (SELECT [n] FROM #t WHERE [n] = 1)", "1"),
        ("NOT ([n] = 1)", "1"),
        ("[s] LIKE N'a%'", "1"),
        ("[s] LIKE N'%[%]'", "1"),
        ("[s] LIKE N'%!_x' ESCAPE N'!'", "1"),
        ("[s] COLLATE Latin1_General_BIN2 = N'apple_x'", "0"),
        ("[n] = N'1'", "1"),
        ("[n] BETWEEN 1 AND 2", "2"),
        ("ISNULL([n], 5) = 5", "1"),
        ("[s] = N'APPLE_X   '", "1"),
    ] {
        let sql = format!("SELECT COUNT(*) FROM #t WHERE {condition}");
        assert_eq!(lines(&mut c, &sql).await, [expected], "{condition}");
    }
    let sql = "SELECT x.[a] FROM (SELECT [n] AS [a] FROM #t UNION ALL SELECT 9) AS x ORDER BY x.[a] DESC";
    assert_eq!(lines(&mut c, sql).await, ["9", "2", "1", "NULL"]);
}
