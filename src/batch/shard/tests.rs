use super::*;

fn read(variables: &[(&str, &str)]) -> Result<String, String> {
    from_variables(&|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    })
    .map(|shard| shard.to_string())
    .map_err(|error| error.to_string())
}

fn slurm<'a>(id: &'a str, count: &'a str, range: [&'a str; 3]) -> Vec<(&'a str, &'a str)> {
    vec![
        ("SLURM_ARRAY_TASK_ID", id),
        ("SLURM_ARRAY_TASK_COUNT", count),
        ("SLURM_ARRAY_TASK_MIN", range[0]),
        ("SLURM_ARRAY_TASK_MAX", range[1]),
        ("SLURM_ARRAY_TASK_STEP", range[2]),
    ]
}

fn sge<'a>(id: &'a str, range: [&'a str; 3]) -> Vec<(&'a str, &'a str)> {
    vec![
        ("SGE_TASK_ID", id),
        ("SGE_TASK_FIRST", range[0]),
        ("SGE_TASK_LAST", range[1]),
        ("SGE_TASK_STEPSIZE", range[2]),
    ]
}

#[test]
fn every_system_is_read_as_it_documents_itself() {
    let undefined = ["undefined"; 3];
    for (variables, expected) in [
        (vec![], "0/1"),
        (vec![("BIMPEAI_SHARD", "3/16")], "3/16"),
        (slurm("0", "4", ["0", "3", "1"]), "0/4"),
        (slurm("3", "4", ["0", "3", "1"]), "3/4"),
        (slurm("1", "16", ["1", "16", "1"]), "0/16"),
        (slurm("16", "16", ["1", "16", "1"]), "15/16"),
        (slurm("9", "4", ["5", "11", "2"]), "2/4"),
        (slurm("8", "4", ["0", "15", "4"]), "2/4"),
        (slurm("7", "1", ["7", "7", "1"]), "0/1"),
        (
            vec![("JOB_COMPLETION_INDEX", "4"), ("BIMPEAI_SHARD_COUNT", "5")],
            "4/5",
        ),
        (
            vec![
                ("AWS_BATCH_JOB_ARRAY_INDEX", "9"),
                ("AWS_BATCH_JOB_ARRAY_SIZE", "10"),
            ],
            "9/10",
        ),
        (
            vec![("CLOUD_RUN_TASK_INDEX", "0"), ("CLOUD_RUN_TASK_COUNT", "8")],
            "0/8",
        ),
        (
            vec![("NOMAD_ALLOC_INDEX", "2"), ("BIMPEAI_SHARD_COUNT", "3")],
            "2/3",
        ),
        (sge("1", ["1", "10", "1"]), "0/10"),
        (sge("9", ["1", "10", "4"]), "2/3"),
        (sge("9", ["1", "9", "4"]), "2/3"),
        (sge("undefined", undefined), "0/1"),
        (
            vec![("PBS_ARRAY_INDEX", "3"), ("BIMPEAI_SHARD_COUNT", "4")],
            "3/4",
        ),
        (
            vec![("PBS_ARRAYID", "0"), ("BIMPEAI_SHARD_COUNT", "4")],
            "0/4",
        ),
        (vec![("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")], "0/4"),
        (vec![("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "4")], "3/4"),
        (vec![("CI_NODE_TOTAL", "1")], "0/1"),
        (
            vec![
                ("BUILDKITE_PARALLEL_JOB", "0"),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "2"),
            ],
            "0/2",
        ),
        (
            vec![("CIRCLE_NODE_INDEX", "1"), ("CIRCLE_NODE_TOTAL", "2")],
            "1/2",
        ),
    ] {
        assert_eq!(read(&variables), Ok(expected.to_owned()), "{variables:?}");
    }
}

#[test]
fn every_shard_of_a_range_is_somebodys() {
    for count in 1..=9_u32 {
        for first in [0, 1, 7] {
            for step in [1, 3] {
                let last = first + (count - 1) * step;
                let mut seen = Vec::new();
                for id in (first..=last).step_by(step as usize) {
                    let texts = [id, count, first, last, step].map(|n| n.to_string());
                    let [id, count, first, last, step] = texts.each_ref().map(String::as_str);
                    seen.push(read(&slurm(id, count, [first, last, step])).unwrap());
                    assert_eq!(
                        read(&sge(id, [first, last, step])).as_ref(),
                        Ok(seen.last().unwrap())
                    );
                }
                let all: Vec<_> = (0..count).map(|index| format!("{index}/{count}")).collect();
                assert_eq!(seen, all);
            }
        }
    }
}

#[test]
fn an_incomplete_environment_is_an_error_that_names_the_variable() {
    for (variables, names) in [
        (vec![("BIMPEAI_SHARD", "4/4")], vec!["BIMPEAI_SHARD", "4/4"]),
        (vec![("BIMPEAI_SHARD", "1")], vec!["BIMPEAI_SHARD"]),
        (vec![("BIMPEAI_SHARD", "0/0")], vec!["BIMPEAI_SHARD"]),
        (vec![("BIMPEAI_SHARD", "+1/4")], vec!["BIMPEAI_SHARD"]),
        (vec![("BIMPEAI_SHARD", "-1/4")], vec!["BIMPEAI_SHARD"]),
        (vec![("BIMPEAI_SHARD", "1/4 ")], vec!["BIMPEAI_SHARD"]),
        (vec![("BIMPEAI_SHARD", "1/4/5")], vec!["BIMPEAI_SHARD"]),
        (
            vec![("BIMPEAI_SHARD", "1/4294967296")],
            vec!["BIMPEAI_SHARD"],
        ),
        // 1,5,7 and 0-3,8.
        (
            slurm("5", "3", ["1", "7", "1"]),
            vec!["SLURM_ARRAY_TASK_COUNT", "not evenly spaced"],
        ),
        (
            slurm("8", "5", ["0", "8", "1"]),
            vec!["SLURM_ARRAY_TASK_COUNT"],
        ),
        (
            slurm("9", "4", ["0", "3", "1"]),
            vec!["SLURM_ARRAY_TASK_ID is 9"],
        ),
        (
            slurm("2", "4", ["1", "7", "2"]),
            vec!["SLURM_ARRAY_TASK_ID is 2"],
        ),
        (
            slurm("x", "4", ["0", "3", "1"]),
            vec!["SLURM_ARRAY_TASK_ID is \"x\""],
        ),
        (
            slurm("1", "", ["0", "3", "1"]),
            vec!["SLURM_ARRAY_TASK_COUNT is not"],
        ),
        (
            slurm("1", "4", ["3", "0", "1"]),
            vec!["SLURM_ARRAY_TASK_MAX is 0"],
        ),
        (
            vec![("SLURM_ARRAY_TASK_ID", "1")],
            vec!["SLURM_ARRAY_TASK_MIN is not"],
        ),
        (
            vec![("JOB_COMPLETION_INDEX", "0")],
            vec!["JOB_COMPLETION_INDEX", "BIMPEAI_SHARD_COUNT"],
        ),
        (
            vec![("JOB_COMPLETION_INDEX", "5"), ("BIMPEAI_SHARD_COUNT", "5")],
            vec!["JOB_COMPLETION_INDEX is 5", "BIMPEAI_SHARD_COUNT is 5"],
        ),
        (
            vec![("NOMAD_ALLOC_INDEX", "0")],
            vec!["NOMAD_ALLOC_INDEX", "BIMPEAI_SHARD_COUNT"],
        ),
        (
            vec![("PBS_ARRAY_INDEX", "16"), ("BIMPEAI_SHARD_COUNT", "16")],
            vec!["PBS_ARRAY_INDEX is 16", "count from 0"],
        ),
        (
            vec![("BIMPEAI_SHARD_COUNT", "4")],
            vec!["BIMPEAI_SHARD_COUNT", "JOB_COMPLETION_INDEX"],
        ),
        (
            vec![("AWS_BATCH_JOB_ARRAY_INDEX", "2")],
            vec!["AWS_BATCH_JOB_ARRAY_SIZE is not"],
        ),
        (
            vec![("CLOUD_RUN_TASK_COUNT", "8")],
            vec!["CLOUD_RUN_TASK_INDEX is not"],
        ),
        (
            vec![("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")],
            vec!["CI_NODE_INDEX is 0", "count from 1"],
        ),
        (
            vec![("CI_NODE_INDEX", "5"), ("CI_NODE_TOTAL", "4")],
            vec!["CI_NODE_INDEX is 5"],
        ),
        (
            vec![
                ("BUILDKITE_PARALLEL_JOB", "2"),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "2"),
            ],
            vec!["BUILDKITE_PARALLEL_JOB is 2"],
        ),
        (
            vec![("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "0")],
            vec!["CIRCLE_NODE_TOTAL is 0"],
        ),
        (
            vec![
                ("CI_NODE_INDEX", "2"),
                ("CI_NODE_TOTAL", "4"),
                ("CLOUD_RUN_TASK_INDEX", "2"),
                ("CLOUD_RUN_TASK_COUNT", "4"),
            ],
            vec!["CLOUD_RUN_TASK_INDEX", "CI_NODE_INDEX"],
        ),
    ] {
        let error = read(&variables).expect_err(&format!("{variables:?}"));
        for name in names {
            assert!(error.contains(name), "{variables:?}: {error}");
        }
    }
}

#[test]
fn bimpeai_shard_overrides_and_agreement_is_not_a_conflict() {
    let mut variables = slurm("5", "3", ["1", "7", "1"]);
    variables.push(("BIMPEAI_SHARD", "1/3"));
    assert_eq!(read(&variables), Ok("1/3".to_owned()));
    let mut variables = slurm("2", "4", ["0", "3", "1"]);
    variables.extend([("CI_NODE_TOTAL", "1"), ("BIMPEAI_SHARD", "")]);
    assert_eq!(read(&variables), Ok("2/4".to_owned()));
    variables.extend([("CIRCLE_NODE_INDEX", "2"), ("CIRCLE_NODE_TOTAL", "4")]);
    assert_eq!(read(&variables), Ok("2/4".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_an_error_that_names_its_variable() {
    use std::os::unix::ffi::OsStringExt;

    let all = [
        "BIMPEAI_SHARD",
        "BIMPEAI_SHARD_COUNT",
        "SLURM_ARRAY_TASK_ID",
        "SGE_TASK_ID",
        "JOB_COMPLETION_INDEX",
        "AWS_BATCH_JOB_ARRAY_INDEX",
        "AWS_BATCH_JOB_ARRAY_SIZE",
        "CLOUD_RUN_TASK_INDEX",
        "CLOUD_RUN_TASK_COUNT",
        "NOMAD_ALLOC_INDEX",
        "PBS_ARRAY_INDEX",
        "PBS_ARRAYID",
        "CI_NODE_INDEX",
        "CI_NODE_TOTAL",
        "BUILDKITE_PARALLEL_JOB",
        "BUILDKITE_PARALLEL_JOB_COUNT",
        "CIRCLE_NODE_INDEX",
        "CIRCLE_NODE_TOTAL",
    ];
    for bad in all {
        let error =
            from_variables(&|name| (name == bad).then(|| OsString::from_vec(b"1\xff".to_vec())))
                .unwrap_err();
        assert_eq!(error.to_string(), format!("{bad} is not valid UTF-8"));
    }
}

#[test]
fn each_row_belongs_to_exactly_one_shard() {
    for count in [1, 2, 3, 16] {
        let mut sizes = vec![0_u32; count as usize];
        for row in 0..4_000 {
            let key = format!("row-{row}");
            let owners: Vec<_> = (0..count)
                .filter(|index| Shard::new(*index, count).unwrap().contains(&key))
                .collect();
            assert_eq!(owners.len(), 1, "{key}");
            sizes[owners[0] as usize] += 1;
        }
        let even = 4_000 / count;
        assert!(
            sizes.iter().all(|size| size.abs_diff(even) < even / 3),
            "{sizes:?}"
        );
    }
}
