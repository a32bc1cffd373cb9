//! A component for something else than loadhost.

wit_bindgen::generate!({
    inline: "
        package shop:plugin@1.0.0;
        interface prices { price: func(item: string) -> u32; }
        world plugin { export prices; }
    ",
});

struct Prices;

impl exports::shop::plugin::prices::Guest for Prices {
    fn price(item: String) -> u32 {
        item.len() as u32
    }
}

export!(Prices);
