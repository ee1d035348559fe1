//! Logging in, TLS, and what the record says of it.

use super::client::{batch, config, connect, connect_as, lines, number_of, run};
use endpoint::{Endpoint, Kind, Options, Tls};
use tiberius::{AuthMethod, EncryptionLevel};

#[tokio::test]
async fn a_wrong_password_is_18456_and_an_unknown_database_4060() {
    let endpoint = Endpoint::start(Options::default());
    let mut wrong = config(&endpoint);
    wrong.authentication(AuthMethod::sql_server("sa", "wrong"));
    assert_eq!(number_of(connect_as(wrong).await.map(drop)), 18456);
    let mut elsewhere = config(&endpoint);
    elsewhere.database("Elsewhere");
    assert_eq!(number_of(connect_as(elsewhere).await.map(drop)), 4060);
    let logins: Vec<Vec<i32>> = endpoint.requests().into_iter().map(|r| r.errors).collect();
    assert_eq!(logins, [vec![18456], vec![4060]]);
}

#[tokio::test]
async fn tls_is_checked_by_the_authority() {
    let endpoint = Endpoint::start(Options { tls: Tls::Required, ..Options::default() });
    let mut checked = config(&endpoint);
    checked.encryption(EncryptionLevel::Required);
    checked.trust_cert_ca(endpoint.authority().to_str().unwrap());
    let mut connection = connect_as(checked.clone()).await.unwrap();
    assert_eq!(lines(&mut connection, "SELECT DB_NAME()").await, ["Octopus"]);
    // A big value both ways: TLS records are smaller than it.
    let text = "é".repeat(100_000);
    let rows = super::client::query(&mut connection, "SELECT @P1", &[&text.as_str()]).await.unwrap();
    assert_eq!(rows[0][0], text);

    let other = Endpoint::start(Options { tls: Tls::Required, ..Options::default() });
    let mut stranger = config(&other);
    stranger.encryption(EncryptionLevel::Required);
    stranger.trust_cert_ca(endpoint.authority().to_str().unwrap());
    assert!(connect_as(stranger).await.is_err(), "another authority's certificate");
}

#[tokio::test]
async fn tls_for_the_login_only_ends_with_it() {
    let endpoint = Endpoint::start(Options { tls: Tls::LoginOnly, ..Options::default() });
    let mut login_only = config(&endpoint);
    login_only.encryption(EncryptionLevel::Off);
    login_only.trust_cert_ca(endpoint.authority().to_str().unwrap());
    let mut connection = connect_as(login_only).await.unwrap();
    assert_eq!(lines(&mut connection, "SELECT 1").await, ["1"]);

    let off = Endpoint::start(Options { tls: Tls::Off, ..Options::default() });
    let mut demanding = config(&off);
    demanding.encryption(EncryptionLevel::Required);
    demanding.trust_cert();
    assert!(connect_as(demanding).await.is_err(), "a server without TLS");
}

#[tokio::test]
async fn every_request_is_recorded_in_order() {
    let endpoint = Endpoint::start(Options::default());
    let mut connection = connect(&endpoint).await;
    run(&mut connection, "CREATE TABLE #s ([n] int NOT NULL PRIMARY KEY)").await;
    connection.execute("INSERT INTO #s ([n]) VALUES (@P1)", &[&7i32]).await.unwrap();
    connection.begin_transaction().await.unwrap();
    run(&mut connection, "SELECT 1").await;
    connection.cancel_query().await.unwrap();
    connection.commit_transaction().await.unwrap();
    let mut bulk = connection.bulk_insert("#s").await.unwrap();
    for n in 10..15i32 {
        let mut row = tiberius::TokenRow::new();
        row.push(tiberius::ColumnData::I32(Some(n)));
        bulk.send(row).await.unwrap();
    }
    assert_eq!(bulk.finalize().await.unwrap().total(), 5);
    let failed = batch(&mut connection, "SELECT nothing FROM #s").await;
    assert_eq!(number_of(failed), 207);
    connection.close().await.unwrap();

    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let requests = loop {
        let requests = endpoint.requests();
        if requests.iter().any(|r| r.kind == Kind::Disconnect) || std::time::Instant::now() > deadline {
            break requests;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let kinds: Vec<Kind> = requests.iter().map(|r| r.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Login,
            Kind::Batch,
            Kind::Rpc,
            Kind::TransactionManager,
            Kind::Batch,
            Kind::Attention,
            Kind::TransactionManager,
            Kind::Batch,
            Kind::Batch,
            Kind::Bulk,
            Kind::Batch,
            Kind::Disconnect,
        ]
    );
    assert_eq!(requests[0].sql, "sa");
    assert_eq!(requests[2].sql, "INSERT INTO #s ([n]) VALUES (@P1)");
    let parameter = &requests[2].parameters[0];
    assert_eq!(
        (parameter.name.as_str(), parameter.type_name.as_str(), parameter.bytes),
        ("@P1", "int", Some(8))
    );
    assert_eq!((requests[3].transactions_before, requests[3].transactions_after), (0, Some(1)));
    assert_eq!((requests[4].transactions_before, requests[6].transactions_after), (1, Some(0)));
    assert_eq!(requests[9].bulk_rows, 5);
    assert!(requests[9].sql.starts_with("INSERT BULK #s"), "{}", requests[9].sql);
    assert_eq!(requests[10].errors, [207]);
    assert!(requests.iter().all(|r| r.session == requests[0].session));
    endpoint.clear_requests();
    assert!(endpoint.requests().is_empty());
}
