//! Customers of a shop: log in, browse, fill a cart, check out. Try it on `loadhost demo-shop`:
//!
//! ```text
//! loadhost demo-shop &
//! loadhost run --scenario checkout.wasm --host http://127.0.0.1:8000 --users 50 --run-time 20s
//! ```
//!
//! The login sets a cookie, which the host keeps for this user and sends along. `{id}` is a
//! place: all items count as one line of the report, `GET /item/{id}`. Any request that is
//! answered otherwise than it should be ends the iteration at its `?`, counted as failed.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Shop {
    /// Password of the customers
    #[param(default = "secret", secret)]
    password: String,
    /// Pause between two steps
    #[param(default = "500ms")]
    pause: Duration,
}

#[derive(Default)]
struct Shopper;

#[user]
impl Shopper {
    #[task]
    fn buy(&mut self, shop: &Shop, me: &Context) -> Outcome {
        let name = format!("customer-{}", me.user_id);
        post("/login").form([("user", &name), ("password", &shop.password)]).send()?;
        sleep(shop.pause)?;
        let id: u32 = get("/items").fetch()?.json_at(&format!("/items/{}/id", range(0..20)))?;
        sleep(shop.pause)?;
        get("/item/{id}").with(id).fetch()?.check("item has a price", |it| it.contains("price"));
        sleep(shop.pause)?;
        post("/cart").json(&json!({ "item": id, "quantity": range(1..=3) })).send()?;
        sleep(shop.pause)?;
        post("/checkout").expect_status(201).send()?;
        counter("orders").add(1);
        sleep(shop.pause)
    }
}

export!(Shopper);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::test::{Reply, World};

    fn shop() -> World {
        let items: Vec<_> = (1..=20).map(|id| json!({ "id": id })).collect();
        World::new()
            .on("POST", "/login", Reply::json(200, json!({ "ok": true })).cookie("session=7"))
            .on("GET", "/items", Reply::json(200, json!({ "items": items })))
            .on("GET", "/item/{id}", Reply::json(200, json!({ "price": 495 })))
            .on("POST", "/cart", Reply::json(200, json!({ "items": 1 })))
            .on("POST", "/checkout", Reply::json(201, json!({ "ok": true })))
    }

    #[test]
    fn a_customer_buys_what_it_looked_at() {
        let shop = shop();
        shop.user::<Shopper>().run("buy").unwrap();
        let paths: Vec<_> = shop.sent().iter().map(|sent| sent.name.clone()).collect();
        assert_eq!(paths, ["/login", "/items", "/item/{id}", "/cart", "/checkout"]);
        assert_eq!(shop.sent_to("POST", "/login")[0].text(), "user=customer-0&password=secret");
        let looked_at = shop.sent_to("GET", "/item/{id}")[0].path().to_string();
        let bought =
            shop.sent_to("POST", "/cart")[0].json::<std::collections::HashMap<String, u32>>();
        assert_eq!(looked_at, format!("/item/{}", bought["item"]));
        assert_eq!(shop.sent_to("POST", "/checkout")[0].header("Cookie"), Some("session=7"));
        assert_eq!(shop.check("item has a price").passes, 1);
        assert_eq!(shop.metric("orders").len(), 1);
        assert_eq!(shop.slept(), Duration::from_millis(2500));
    }

    #[test]
    fn a_customer_who_cannot_log_in_buys_nothing() {
        let shop = shop().on("POST", "/login", Reply::status(401));
        let failure = shop.user::<Shopper>().run("buy").unwrap_err();
        assert!(failure.message().contains("POST /login: answered 401"), "{failure}");
        assert_eq!(shop.sent().len(), 1);
    }
}
