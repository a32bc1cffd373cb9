//! What users of the shop do. Try it: `loadhost demo-shop`, then `loadhost run`.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Shop {
    /// Password of the customers
    #[param(default = "secret", secret)]
    password: String,
}

/// Each user has its own: state goes into fields.
#[derive(Default)]
struct Shopper {
    in_cart: u32,
}

#[user(wait = "1s..3s")]
impl Shopper {
    #[on_start]
    fn login(&mut self, shop: &Shop, me: &Context) -> Outcome {
        let name = format!("customer-{}", me.user_id);
        post("/login").form([("user", &name), ("password", &shop.password)]).send()?;
        Ok(())
    }

    #[task(weight = 5)]
    fn browse(&mut self) -> Outcome {
        let id = range(1..=1000);
        let item = get("/item/{id}").with(id).fetch()?;
        item.check("item has a price", |item| item.contains("price"));
        if chance(0.3) {
            post("/cart").json(&json!({ "item": id })).send()?;
            self.in_cart += 1;
        }
        Ok(())
    }

    #[task(weight = 1)]
    fn checkout(&mut self) -> Outcome {
        if self.in_cart > 0 {
            post("/checkout").expect_status(201).send()?;
            trend("items_per_order").add(std::mem::take(&mut self.in_cart));
        }
        Ok(())
    }
}

export!(Shopper; thresholds = ["http_req_failed rate < 1%", "checks > 99%"]);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::test::{Reply, World};

    #[test]
    fn a_customer_logs_in_and_checks_out_what_is_in_the_cart() {
        let world = World::new()
            .on("POST", "/login", Reply::status(200).cookie("session=1"))
            .on("GET", "/item/{id}", Reply::json(200, json!({ "price": 495 })))
            .on("POST", "/cart", Reply::status(200))
            .on("POST", "/checkout", Reply::status(201));
        let mut shopper = world.user::<Shopper>();
        shopper.start().unwrap();
        while shopper.in_cart == 0 {
            shopper.run("browse").unwrap();
        }
        shopper.run("checkout").unwrap();
        assert_eq!(world.sent_to("POST", "/checkout").len(), 1);
        assert_eq!(world.metric("items_per_order")[0].value, 1.0);
    }
}
