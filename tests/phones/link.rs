//! The link to a real adbd: what the client library gets wrong must not come through.

use super::loopback::{Desk, Phone, desk_with_phone, parts_are_here};
use edgezen::device::adb::{AdbLink, Server};
use edgezen::device::remote::{Link, LinkError, PhoneState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

fn link(desk: &Desk, phone: &Phone) -> AdbLink {
    let server = Server { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, desk.port) };
    AdbLink::new(server, &phone.serial().as_str().into())
}

#[test]
fn commands_come_back_with_their_status() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    let mut link = link(&desk, &phone);
    assert_eq!(link.state(), Ok(PhoneState::Ready));
    let done = link.shell("echo out; echo err >&2; exit 3", SOON).unwrap();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.status), ("out\n", "err\n", 3));
    let done = link.shell("printf 'no end'", SOON).unwrap();
    assert_eq!((done.stdout.as_str(), done.status), ("no end", 0));
    let done = link.shell("kill -9 $$", SOON);
    assert!(done.is_err() || done.unwrap().status != 0);
    let done = link.shell("/no/such/program", SOON).unwrap();
    assert_eq!(done.status, 127);
    let long = link.shell("head -c 3000000 /dev/zero | tr '\\0' x", SOON).unwrap();
    assert_eq!(long.stdout.len(), 3_000_000);
    assert_eq!(link.shell("getprop ro.product.device", SOON).unwrap().stdout, "walleye\n");
    let error = link.shell("sleep 30", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, LinkError::TooLong { .. }), "{error}");
    // The link is as good as before.
    assert_eq!(link.shell("true", SOON).unwrap().status, 0);
}

#[test]
fn files_go_there_and_back() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    let mut link = link(&desk, &phone);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    link.push(&bytes, "/data/local/tmp/new/file", SOON).unwrap();
    assert_eq!(std::fs::read(phone.path("data/local/tmp/new/file")).unwrap(), bytes);
    assert_eq!(link.pull("/data/local/tmp/new/file", SOON).unwrap(), bytes);
    assert_eq!(link.shell("test -x /data/local/tmp/new/file", SOON).unwrap().status, 0);
    let error = link.pull("/data/none", SOON).unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused { reason, .. } if reason.raw().contains("No such file")),
        "{error:?}"
    );
    let error = link.push(b"x", "/proc/none/file", SOON).unwrap_err();
    assert!(matches!(error, LinkError::Refused { .. }), "{error:?}");
    assert_eq!(link.shell("true", SOON).unwrap().status, 0);
}

#[test]
fn a_phone_that_goes_away_is_told_from_a_command_that_ends() {
    if !parts_are_here() {
        return;
    }
    let (mut desk, mut phone) = desk_with_phone();
    let mut broken = link(&desk, &phone);
    std::thread::scope(|scope| {
        let command = scope.spawn(|| broken.shell("echo begun; sleep 20; echo ended", SOON));
        std::thread::sleep(Duration::from_millis(400));
        phone.kill();
        let error = command.join().unwrap().unwrap_err();
        assert!(error.may_pass(), "{error:?}");
    });
    let mut link = link(&desk, &phone);
    let start = Instant::now();
    let error = link.await_ready(Duration::from_millis(500)).unwrap_err();
    assert!(error.may_pass() && start.elapsed() < Duration::from_secs(10), "{error:?}");
    phone.start();
    link.await_ready(SOON).unwrap();
    assert_eq!(link.shell("echo again", SOON).unwrap().stdout, "again\n");
    // The server itself may be killed and started, too.
    desk.stop();
    desk.start();
    link.await_ready(SOON).unwrap();
    assert_eq!(link.shell("true", SOON).unwrap().status, 0);
}
