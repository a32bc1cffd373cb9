//! A scenario of a contract that is yet to come.

wit_bindgen::generate!({
    inline: "
        package loadhost:scenario@0.2.0;
        interface websocket { open: func(url: string) -> u32; }
        interface guest { describe: func() -> string; }
        world scenario { import websocket; export guest; }
    ",
});

struct Newer;

impl exports::loadhost::scenario::guest::Guest for Newer {
    fn describe() -> String {
        format!("socket {}", loadhost::scenario::websocket::open("ws://127.0.0.1"))
    }
}

export!(Newer);
