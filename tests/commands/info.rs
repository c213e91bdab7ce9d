//! `edgezen info` as a user runs it, and how structures are read.

use super::{edgezen_json, refused};
use crate::golden::{json, list, number, text};

#[test]
fn info_agrees_with_the_golden_costs() {
    let dir = tempfile::tempdir().unwrap();
    for case in list(&json("structures.json")) {
        let name = text(case, "name");
        let info = edgezen_json(dir.path(), &["info", name, "--json"]);
        assert_eq!(info["net"], case["canonical"], "{name}");
        assert_eq!(info["layers"], case["num_layers"], "{name}");
        for (ours, theirs) in
            [("official", "reslink"), ("official_se", "reslink_se"), ("official_no_reslink", "no_reslink")]
        {
            let want = &case["official"][theirs];
            assert_eq!(number(&info[ours], "params"), number(want, "model_size"), "{name} {ours}");
            assert_eq!(number(&info[ours], "flops"), number(want, "flops"), "{name} {ours}");
        }
        for (ours, theirs) in [("exact", "reslink"), ("exact_se", "reslink_se")] {
            let want = &case["exact"][theirs];
            assert_eq!(number(&info[ours], "params"), number(want, "trainable_params"), "{name} {ours}");
            let macs = number(want, "conv_macs") + number(want, "fc_macs");
            assert_eq!(number(&info[ours], "macs"), macs, "{name} {ours}");
            assert_eq!(info[ours]["pre_gap_shape"], want["pre_gap_shape"], "{name} {ours}");
        }
    }
}

#[test]
fn bad_structures_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &["info", "SuperConvK3BNRELU(3,8,1)"], 2, &["4 parameters", "found 3"]);
    refused(dir, &["info", "SuperConvK3BNRELU(3,8,1,1)Oops(1)"], 2, &["character 27", "Oops"]);
    refused(
        dir,
        &["info", "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(9,8,1,8,1)"],
        2,
        &["block 2", "9", "8 arrive"],
    );
    refused(dir, &["info", "SuperConvK3BNRELU(3,8,0,1)"], 2, &["stride 0"]);
    refused(dir, &["info", "SuperConvK3BNRELU(3,-8,1,1)"], 2, &["-8"]);
    refused(dir, &["info", "SuperConvK3BNRELU(3,99999999999,1,1)"], 2, &["integer"]);
    refused(dir, &["info", "no_such_net"], 2, &["no_such_net", "edgezen networks"]);
    refused(dir, &["info", "resnet18", "--resolution", "0"], 2, &["resolution"]);
    std::fs::write(dir.join("net.txt"), "SuperConvK3BNRELU(3,8,1,1)Oops(1)\n").unwrap();
    refused(dir, &["info", "net.txt"], 7, &["net.txt", "line 1", "Oops"]);
    std::fs::write(dir.join("bytes.txt"), [0xff, 0xfe, 0x00]).unwrap();
    refused(dir, &["info", "bytes.txt"], 7, &["bytes.txt"]);
    std::fs::write(dir.join("good.txt"), "  SuperConvK3BNRELU(3,8,1,1) \nanything\n").unwrap();
    assert_eq!(edgezen_json(dir, &["info", "good.txt", "--json"])["name"], "good");
}
