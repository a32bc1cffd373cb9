//! A sale: customers from a file log in, wait for each other, and buy at the same moment. Try it on
//! `loadhost demo-shop`:
//!
//! ```text
//! loadhost demo-shop &
//! loadhost run --scenario data.wasm --host http://127.0.0.1:8000 --data users=scenarios/data/users.csv \
//!     --users 12 --run-time 20s
//! ```
//!
//! Each row of the file is one customer: no two users are the same one, on whichever workers they run. When
//! the file has no more rows, a user is done, and that is no failure. Orders have numbers that nobody else
//! in the run has; how many items are sold is counted over the whole run.

use loadhost_sdk::prelude::*;

/// A row of the file.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
struct Customer {
    name: String,
    password: String,
    /// Of items that this customer buys at once.
    quantity: u32,
}

#[derive(Params)]
struct Sale {
    /// Customers who buy at the same moment
    #[param(default = 4)]
    together: u32,
    /// Items there are
    #[param(default = 1000)]
    stock: i64,
}

#[derive(Default)]
struct Shopper {
    customer: Option<Customer>,
}

#[user(wait = "1s")]
impl Shopper {
    #[on_start]
    fn login(&mut self) -> Outcome {
        let customer: Customer = rows("users").next()?.parse()?;
        let form = [("user", &customer.name), ("password", &customer.password)];
        post("/login").form(form).send()?;
        self.customer = Some(customer);
        Ok(())
    }

    #[task]
    fn buy(&mut self, sale: &Sale) -> Outcome {
        let customer = self.customer.as_ref().or_fail("nobody has logged in")?;
        let quantity = customer.quantity;
        post("/cart").json(&json!({ "item": range(1..=20), "quantity": quantity })).send()?;

        // Whoever comes last opens the doors. Alone it goes on after a while.
        rendezvous("sale", sale.together).within(secs(10.0))?;

        if shared_counter("sold").add(i64::from(quantity))? > sale.stock {
            return Err(done()); // sold out
        }
        let order = format!("order-{}", unique_number("order")?);
        post("/checkout").header("Idempotency-Key", order).expect_status(201).send()?;
        counter("sold").add(quantity);
        Ok(())
    }
}

export!(Shopper; data = ["users"]);

#[cfg(test)]
mod tests {
    use super::*;
    use loadhost_sdk::test::{Reply, World};

    fn shop() -> World {
        World::new()
            .on("POST", "/login", Reply::json(200, json!({ "ok": true })).cookie("session=7"))
            .on("POST", "/cart", Reply::json(200, json!({ "items": 1 })))
            .on("POST", "/checkout", Reply::json(201, json!({ "ok": true })))
            .rows(
                "users",
                [
                    [("name", "anna"), ("password", "a"), ("quantity", "1")],
                    [("name", "bruno"), ("password", "b"), ("quantity", "2")],
                ],
            )
    }

    #[test]
    fn each_customer_is_somebody_else_and_each_order_another() {
        let shop = shop();
        for _ in 0..2 {
            let mut shopper = shop.user::<Shopper>();
            shopper.start().unwrap();
            shopper.run("buy").unwrap();
        }
        let logins = shop.sent_to("POST", "/login").into_iter().map(|sent| sent.text());
        assert!(logins.eq(["user=anna&password=a", "user=bruno&password=b"]));
        let orders = shop.sent_to("POST", "/checkout");
        let orders = orders.iter().map(|sent| sent.header("Idempotency-Key"));
        assert!(orders.eq([Some("order-0"), Some("order-1")]));
        assert_eq!((shop.visits("sale"), shop.shared_counter("sold")), (2, 3));
    }

    #[test]
    fn a_user_without_a_customer_is_done() {
        let shop = shop();
        let started: Vec<_> = (0..3).map(|_| shop.user::<Shopper>().start()).collect();
        assert_eq!(started, [Ok(()), Ok(()), Err(done())]);
        assert_eq!(shop.sent().len(), 2);
    }

    #[test]
    fn nobody_buys_what_is_sold_out() {
        let shop = shop().with_shared_counter("sold", 1_000);
        let mut shopper = shop.user::<Shopper>();
        shopper.start().unwrap();
        assert_eq!(shopper.run("buy"), Err(done()));
        assert!(shop.sent_to("POST", "/checkout").is_empty());
    }

    #[test]
    fn a_customer_who_is_alone_buys_after_a_while() {
        let shop = shop().alone_at("sale");
        let mut shopper = shop.user::<Shopper>();
        shopper.start().unwrap();
        shopper.run("buy").unwrap();
        assert_eq!(shop.sent_to("POST", "/checkout").len(), 1);
    }

    #[test]
    fn the_file_beside_this_scenario_has_customers() {
        let text = include_str!("../users.csv");
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            header
                .iter()
                .zip(cells)
                .map(|(name, cell)| (name.to_string(), cell.to_string()))
                .collect()
        };
        let users: Vec<Vec<(String, String)>> = text.lines().skip(1).map(row).collect();
        let count = users.len();
        let _shop = shop().rows("users", users);
        for _ in 0..count {
            rows("users").next().unwrap().parse::<Customer>().unwrap();
        }
        assert_eq!(rows("users").try_next(), Ok(None));
    }
}
