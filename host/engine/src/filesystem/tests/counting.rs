//! What is read and written is counted, by whichever call.

use bytes::Bytes;

use super::*;

const LONG: usize = 60_000;

#[tokio::test]
async fn calls_and_streams_are_counted() {
    let mut guest = Guest::new(Access::ReadWrite);
    let rep = guest.open("d/f.txt", OpenFlags::empty(), READ | WRITE).await.unwrap().rep();
    let fd = || Fd::new_borrow(rep);
    assert_eq!(guest.fs().read(fd(), 100, 0).await.unwrap(), (b"content".to_vec(), false));
    assert_eq!(guest.fs().write(fd(), b"CON".to_vec(), 0).await.unwrap(), 3);
    assert_eq!((guest.fs.counters.bytes_read(), guest.fs.counters.bytes_written()), (7, 3));

    let output = guest.fs().write_via_stream(fd(), 7).unwrap();
    let output = guest.table.get_mut(&output).unwrap();
    output.write(Bytes::from_static(b"more!")).unwrap();
    output.ready().await;
    output.blocking_write_and_flush(Bytes::from_static(b"!")).await.unwrap();
    let append = guest.fs().append_via_stream(fd()).unwrap();
    guest.table.get_mut(&append).unwrap().blocking_write_and_flush(Bytes::from_static(b"end")).await.unwrap();
    assert_eq!(guest.read("d/f.txt"), "CONtentmore!!end");
    assert_eq!(fs::read_to_string(guest.at("d/f.txt")).unwrap(), "content", "nothing is published");
    assert_eq!(guest.fs.counters.bytes_written(), 12);

    let input = guest.fs().read_via_stream(fd(), 0).unwrap();
    let input = guest.table.get_mut(&input).unwrap();
    input.ready().await;
    assert_eq!(&input.read(5).unwrap()[..], b"CONte");
    assert_eq!(&input.blocking_read(100).await.unwrap()[..], b"ntmore!!end");
    assert_eq!(guest.fs.counters.bytes_read(), 7 + 16);
}

#[tokio::test]
async fn a_stream_reads_as_much_at_once_as_it_was_asked_for() {
    let mut guest = Guest::new(Access::ReadWrite);
    fs::write(guest.at("long"), vec![b'x'; LONG]).unwrap();
    let fd = guest.open("long", OpenFlags::empty(), READ).await.unwrap();
    let input = guest.fs().read_via_stream(fd, 0).unwrap();
    let read = guest.table.get_mut(&input).unwrap().blocking_read(LONG).await.unwrap();
    assert_eq!(read.len(), LONG, "not in pieces of 4 KiB, each by another thread");
}
