//! Types, exactly: there and back by SQL, by RPC and by bulk load.

use super::client::{connect, error, lines, number, query, run, started};
use endpoint::{Endpoint, Options};
use tiberius::{ColumnData, TokenRow};

const ALL: &str = "CREATE TABLE [dbo].[T] ([Id] int NOT NULL PRIMARY KEY, [Bit] bit NULL, [Tiny] tinyint NULL, \
    [Small] smallint NULL, [Big] bigint NULL, [Dec] decimal(38,10) NULL, [Num] numeric(5,2) NULL, [Money] money NULL, \
    [SmallMoney] smallmoney NULL, [Real] real NULL, [Float] float NULL, [Date] date NULL, [Time] time(3) NULL, \
    [DateTime] datetime NULL, [SmallDateTime] smalldatetime NULL, [DateTime2] datetime2(7) NULL, \
    [Offset] datetimeoffset(7) NULL, [Char] char(5) NULL, [VarChar] varchar(20) NULL, [NChar] nchar(3) NULL, \
    [NVarChar] nvarchar(20) NULL, [NMax] nvarchar(max) NULL, [Binary] binary(4) NULL, [VarBinary] varbinary(20) NULL, \
    [BMax] varbinary(max) NULL, [Guid] uniqueidentifier NULL, [Xml] xml NULL, [Text] text NULL, [NText] ntext NULL, \
    [Image] image NULL)";

const ROW: &str = "INSERT INTO [dbo].[T] VALUES (1, 1, 255, -32768, 9223372036854775807, \
    N'-1234567890123456789012345678.0123456789', 999.99, 922337203685477.5807, -214748.3648, 1.5, 0.1, '0001-01-01', \
    '23:59:59.999', '2024-02-29 23:59:59.997', '2024-02-29 12:30:00', '9999-12-31 23:59:59.9999999', \
    '2024-02-29 01:00:00.1234567 +05:30', 'ab', N'é€', N'x', N'  blanks  ', N'long', 0x01, 0x00FF, 0x, \
    '6F9619FF-8B86-D011-B42D-00C04FC964FF', N'<a/>', N'old', N'ältest', 0xCAFE)";

const SHOWN: &str = "1|true|255u8|-32768i16|9223372036854775807i64|-1234567890123456789012345678.0123456789|999.99|\
    922337203685477.6f64|-214748.3648f64|1.5f32|0.1f64|day 0|time 86399999/3|datetime 45349 25919999|small 45349 750|\
    day 3652058 time 863999999999/7|day 738943 time 702001234567/7 +330|ab   |é€|x  |  blanks  |long|01000000|00FF||\
    6f9619ff-8b86-d011-b42d-00c04fc964ff|<a/>|old|ältest|CAFE";

#[tokio::test]
async fn every_type_comes_back_as_it_was() {
    let (endpoint, mut connection) = started().await;
    run(&mut connection, ALL).await;
    run(&mut connection, ROW).await;
    assert_eq!(lines(&mut connection, "SELECT * FROM [dbo].[T]").await, [SHOWN]);
    run(&mut connection, "INSERT INTO [dbo].[T] ([Id]) VALUES (2)").await;
    let nulls = lines(&mut connection, "SELECT * FROM [dbo].[T] WHERE [Id] = 2").await;
    assert_eq!(nulls[0], format!("2{}", "|NULL".repeat(29)));
    // The same in rows that leave NULLs out, in bytes one by one.
    endpoint.change(|o| {
        o.compressed_nulls = true;
        o.split_writes = Some(1);
    });
    let mut other = connect(&endpoint).await;
    assert_eq!(lines(&mut other, "SELECT * FROM [dbo].[T] ORDER BY [Id]").await, [SHOWN, &nulls[0]]);
}

#[tokio::test]
async fn column_types_are_sql_servers() {
    let (_endpoint, mut connection) = started().await;
    run(&mut connection, ALL).await;
    let metadata = connection.column_metadata("[dbo].[T]", &["*"]).await.unwrap();
    let shown: Vec<String> = metadata.iter().map(|c| c.to_string()).collect();
    assert_eq!(
        shown[..12],
        [
            "[Id] int",
            "[Bit] bit",
            "[Tiny] tinyint",
            "[Small] smallint",
            "[Big] bigint",
            "[Dec] decimal(38,10)",
            "[Num] numeric(5,2)",
            "[Money] money",
            "[SmallMoney] smallmoney",
            "[Real] real",
            "[Float] float",
            "[Date] date"
        ]
    );
    assert!(!metadata[0].base().is_nullable());
    assert!(metadata[1].base().is_nullable());
    assert!(metadata[1].base().is_updateable());
}

#[tokio::test]
async fn values_by_rpc_are_the_same() {
    let (_endpoint, mut connection) = started().await;
    let text = "x\u{0}\u{1F600} ";
    let rows = query(
        &mut connection,
        "SELECT @P1, @P2, @P3, @P4, @P5, @P6",
        &[
            &i64::MIN,
            &text,
            &[0u8, 255].as_slice(),
            &1.25f64,
            &true,
            &tiberius::numeric::Numeric::new_with_scale(-12345, 3),
        ],
    )
    .await
    .unwrap();
    assert_eq!(rows[0], ["-9223372036854775808i64", text, "00FF", "1.25f64", "true", "-12.345"]);
    let long = "y".repeat(300_000);
    let rows = query(&mut connection, "SELECT DATALENGTH(@P1), @P1", &[&long.as_str()]).await.unwrap();
    assert_eq!(rows[0][0], "600000i64");
    assert_eq!(rows[0][1], long);
    // A NULL without a type, twice in one statement.
    let rows = query(&mut connection, "SELECT @P1 WHERE @P1 IS NULL", &[&None::<&str>]).await.unwrap();
    assert_eq!(rows, [["NULL"]]);
}

#[tokio::test]
async fn a_bulk_load_keeps_what_it_is_given() {
    let (endpoint, mut connection) = started().await;
    run(
        &mut connection,
        "CREATE TABLE #s1 ([n] bigint NOT NULL PRIMARY KEY, [c0] nvarchar(50) COLLATE DATABASE_DEFAULT NULL, [c1] bigint \
         NULL, [c2] nvarchar(max) COLLATE DATABASE_DEFAULT NULL, [c3] varbinary(max) NULL, [c4] float NULL, [c5] bit NULL)",
    )
    .await;
    let mut bulk = connection.bulk_insert("#s1").await.unwrap();
    for n in 0..3000i64 {
        let mut row = TokenRow::new();
        row.push(ColumnData::I64(Some(n)));
        row.push(ColumnData::String(Some(format!("Name {n} ").into())));
        row.push(ColumnData::I64((n % 2 == 0).then_some(-n)));
        row.push(ColumnData::String((n % 3 > 0).then(|| "ü".repeat(n as usize).into())));
        row.push(ColumnData::Binary(Some(n.to_le_bytes().to_vec().into())));
        row.push(ColumnData::F64(Some(n as f64 / 8.0)));
        row.push(ColumnData::Bit(Some(n % 7 == 0)));
        bulk.send(row).await.unwrap();
    }
    assert_eq!(bulk.finalize().await.unwrap().total(), 3000);
    let sql = "SELECT COUNT_BIG(*), MAX([n]), COUNT_BIG([c1]), COUNT_BIG([c2]) FROM #s1";
    assert_eq!(lines(&mut connection, sql).await, ["3000i64|2999i64|1500i64|2000i64"]);
    let one = lines(&mut connection, "SELECT [c0], [c1], [c3], [c4], [c5] FROM #s1 WHERE [n] = 7").await;
    assert_eq!(one, ["Name 7 |NULL|0700000000000000|0.875f64|true"]);
    let one = lines(&mut connection, "SELECT LEN([c2]) FROM #s1 WHERE [n] = 2999").await;
    assert_eq!(one, ["2999"]);
    // Another session does not see it.
    let mut other = connect(&endpoint).await;
    assert_eq!(number(&mut other, "SELECT * FROM #s1").await, 208);
    // A repeated key undoes the whole load.
    let mut bulk = connection.bulk_insert_columns("#s1", &["n"]).await.unwrap();
    for n in [5000i64, 5001, 5000] {
        let mut row = TokenRow::new();
        row.push(ColumnData::I64(Some(n)));
        bulk.send(row).await.unwrap();
    }
    assert_eq!(super::client::number_of(bulk.finalize().await), 2627);
    assert_eq!(lines(&mut connection, "SELECT COUNT(*) FROM #s1").await, ["3000"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let (endpoint, mut c) = started().await;
    run(&mut c, ALL).await;
    for (column, value, expected) in [
        ("NVarChar", "N'123456789012345678901'", 2628),
        ("NChar", "N'1234'", 2628),
        ("VarBinary", "0x112233445566778899001122334455667788990011", 2628),
        ("Tiny", "256", 220),
        ("Tiny", "-1", 220),
        ("Small", "40000", 220),
        ("Big", "9223372036854775808", 8115),
        ("Num", "1000.00", 8115),
        ("Small", "N'x'", 245),
        ("Small", "N'99999'", 244),
        ("Dec", "N'x'", 8114),
        ("Float", "N'x'", 8114),
        ("Date", "N'2023-02-29'", 241),
        ("DateTime", "N'2023-01-01 00:00:00.1234'", 241),
        ("DateTime", "N'1752-12-31'", 242),
        ("Guid", "N'x'", 8169),
        ("VarBinary", "N'x'", 257),
        ("Date", "5", 206),
        ("Guid", "5", 206),
    ] {
        let sql = format!("INSERT INTO [dbo].[T] ([Id], [{column}]) VALUES (1, {value})");
        assert_eq!(number(&mut c, &sql).await, expected, "{sql}");
    }
    // Two units for one character beyond the plane: eleven do not fit in twenty.
    let sql = format!("INSERT INTO [dbo].[T] ([Id], [NVarChar]) VALUES (1, N'{}')", "\u{1F600}".repeat(11));
    let (number, text) = error(&mut c, &sql).await;
    assert_eq!(number, 2628);
    assert!(text.starts_with(
        "String or binary data would be truncated in table 'Octopus.dbo.T', column 'NVarChar'. Truncated value: '"
    ));
    // Blanks too many are cut without a word.
    run(&mut c, "INSERT INTO [dbo].[T] ([Id], [NChar]) VALUES (1, N'abc   ')").await;
    assert_eq!(lines(&mut c, "SELECT COUNT(*) FROM [dbo].[T]").await, ["1"]);
    endpoint.change(|o| o.compatibility_level = 140);
    let sql = "INSERT INTO [dbo].[T] ([Id], [NChar]) VALUES (2, N'1234')";
    assert_eq!(super::client::number(&mut c, sql).await, 8152);
}

#[tokio::test]
async fn times_round_and_convert() {
    let (_endpoint, mut c) = started().await;
    for (sql, expected) in [
        ("CAST(N'2024-01-01 00:00:00.005' AS datetime)", "datetime 45290 2"),
        ("CAST(N'2024-01-01 12:00:59' AS smalldatetime)", "small 45290 721"),
        ("CONVERT(nvarchar(40), CAST(N'2024-01-01 00:00:00.12345678' AS datetime2), 121)", ""),
        (
            "CONVERT(nvarchar(40), CAST(N'2024-01-01 23:59:59.99999' AS datetime2(3)), 126)",
            "2024-01-02T00:00:00.000",
        ),
        (
            "CONVERT(nvarchar(40), CAST(N'2024-01-01 01:00 +02:00' AS datetimeoffset(0)), 127)",
            "2023-12-31T23:00:00Z",
        ),
        (
            "CONVERT(datetimeoffset(7), N'2024-05-06T07:08:09.1234567-08:00', 127)",
            "day 739011 time 544891234567/7 -480",
        ),
        ("CONVERT(nvarchar(40), CAST(N'20240101' AS datetime), 126)", "2024-01-01T00:00:00"),
        ("CAST(CAST(N'10:11:12.5' AS time(1)) AS nvarchar(20))", "10:11:12.5"),
    ] {
        let sql = format!("SELECT {sql}");
        if expected.is_empty() {
            assert_eq!(number(&mut c, &sql).await, 241);
        } else {
            assert_eq!(lines(&mut c, &sql).await, [expected], "{sql}");
        }
    }
    assert_eq!(
        lines(
            &mut c,
            "SELECT CONVERT(nvarchar(max), 0x0AFF, 1), CONVERT(varbinary(max), N'0AFF', 2), CAST(1.005 AS \
            decimal(10,2)), CAST(N'true' AS bit), CAST(0.1 AS float), CONVERT(nvarchar(20), 12.50)"
        )
        .await,
        ["0x0AFF|0AFF|1.01|true|0.1f64|12.50"]
    );
}

#[tokio::test]
async fn lone_surrogates_and_zeros_are_kept() {
    let endpoint = Endpoint::start(Options::default());
    let mut c = connect(&endpoint).await;
    run(&mut c, "CREATE TABLE [dbo].[S] ([A] nvarchar(10) NOT NULL PRIMARY KEY)").await;
    run(
        &mut c,
        "INSERT INTO [dbo].[S] ([A]) VALUES (NCHAR(55357) + N'x'), (N'a' + NCHAR(0) + N'b'), (N'ab')",
    )
    .await;
    let found =
        lines(&mut c, "SELECT CONVERT(varbinary(20), [A]), DATALENGTH([A]) FROM [dbo].[S] ORDER BY [A]")
            .await;
    assert_eq!(found, ["610000006200|6", "61006200|4", "3DD87800|4"]);
    assert_eq!(lines(&mut c, "SELECT NCHAR(55357) + NCHAR(56832)").await, ["\u{1F600}"]);
}
