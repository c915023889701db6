//! How long a job takes to find out that it is finished: 100,000 rows, skipped without a request.
//!
//! ```text
//! cargo bench --bench restart
//! ```
//!
//! The first start reads every record of two steps a row, and compacts the journal; the later ones
//! read what is left. The limit is 0.5 s for these.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bimpeai::Client;
use bimpeai::batch::Batch;

const ROWS: usize = 100_000;
const LIMIT: Duration = Duration::from_millis(500);

fn main() {
    let folder = std::env::temp_dir().join(format!("bimpeai-restart-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    write_journal(&folder.join("0-of-1.jsonl"));
    // Nothing listens there.
    let client = Client::builder("sk_1").base_url("http://127.0.0.1:1");
    let client = client.build().expect("a client");
    let mut slowest = Duration::ZERO;
    for start in 1..=4 {
        let began = Instant::now();
        let report = Batch::new("restart")
            .journal(&folder)
            .run(
                &client,
                0..ROWS,
                |row| format!("row-{row}"),
                |_, row| panic!("row {row} is finished"),
            )
            .expect("a journal");
        let took = began.elapsed();
        assert_eq!(report.skipped, ROWS as u64);
        println!("start {start}: {ROWS} rows skipped in {took:.3?}");
        if start > 1 {
            slowest = slowest.max(took);
        }
    }
    std::fs::remove_dir_all(&folder).expect("to remove the folder");
    assert!(slowest < LIMIT, "slower than {LIMIT:?}");
}

/// As a process leaves it that was killed after its last row.
fn write_journal(path: &Path) {
    let mut text = r#"{"bimpeai_batch":{"version":1,"job":"restart"}}"#.to_owned() + "\n";
    let hash = "c2a4a4a5-8a3a-5c7b-9c43-6f0f6c1f2f10";
    for row in 0..ROWS {
        for (step, data) in [
            (
                "agent",
                r#"{"id":"cmlqacdwm0001zovcpe6656cg","name":"Restaurant assistant","description":"Takes orders and books tables.","workflow_id":"cmlqacdwm0002zovcpe6656cg","language":"en","persona":"friendly","timezone":"UTC","created_at":"2026-11-25T08:00:00.000Z","updated_at":"2026-11-25T08:00:00.000Z"}"#,
            ),
            (
                "knowledge 1",
                r#"{"id":"cmlqacdwm0003zovcpe6656cg","type":"text","name":"Menu","description":null,"url":null,"content":"Margherita pizza £12."}"#,
            ),
        ] {
            let _ = writeln!(
                text,
                r#"{{"started":{{"row":"row-{row}","step":"{step}","try":0,"hash":"{hash}","at":1764028800000}}}}"#
            );
            let _ = writeln!(
                text,
                r#"{{"done":{{"row":"row-{row}","step":"{step}","hash":"{hash}","data":{data}}}}}"#
            );
        }
        let _ = writeln!(text, r#"{{"finished":{{"row":"row-{row}"}}}}"#);
    }
    std::fs::write(path, text).expect("to write the journal");
}
