//! Several requests at once. A list beyond the limit `batch` is refused before anything of it
//! is looked at: its length is the guest's choice, and the shard's neighbours wait meanwhile.

use std::pin::pin;

use tokio::time::Instant;
use wasmtime::component::Resource;

use super::http::refuse;
use super::response::HostResponse;
use super::sample::{self, Finished};
use super::state::VuState;
use super::template::HostTemplate;
use crate::bindings::http as wit;
use crate::http::{Exchange, Keep, Template};

const TOO_MANY: &str =
    "more requests at once than the limit `batch` allows; raise it with `--limit batch=VALUE`";

fn too_many<T>(count: usize) -> Vec<Result<T, wit::Error>> {
    (0..count).map(|_| Err(wit::Error::Denied(TOO_MANY.to_string()))).collect()
}

impl VuState {
    /// Sends several at once.
    async fn send_several(
        &mut self,
        hosts: &[&HostTemplate],
        values: &[&[String]],
        keep: Keep,
    ) -> Option<Vec<Exchange>> {
        let requests: Vec<(&Template, &[String])> = hosts
            .iter()
            .zip(values)
            .filter_map(|(host, values)| Some((host.request()?, *values)))
            .collect();
        let (shard, client) = (&self.shard, &mut self.client);
        let began = Instant::now();
        let sending = pin!(async {
            for _ in &requests {
                shard.gate.ready().await;
            }
            client.send_many(&requests, keep).await
        });
        let exchanges = self.interrupt.or(sending).await;
        self.cpu.waited(began, Instant::now());
        exchanges
    }

    /// Several requests made on the spot, at once.
    pub(super) async fn fetch_all(
        &mut self,
        requests: Vec<wit::Request>,
    ) -> wasmtime::Result<Vec<Result<Resource<HostResponse>, wit::Error>>> {
        let (count, cap) = (requests.len(), self.plan.limits.batch as usize);
        if count > cap {
            self.capped("batch");
            for request in requests.into_iter().take(cap) {
                let mut host = HostTemplate::once(request);
                let (_, series) = host.resolve(&self.shard, self.groups.path());
                refuse(&self.shard, series, TOO_MANY);
            }
            return Ok(too_many(count));
        }
        let mut hosts: Vec<HostTemplate> = requests.into_iter().map(HostTemplate::once).collect();
        let values = vec![&[][..]; hosts.len()];
        let sent =
            self.send_several(&hosts.iter().collect::<Vec<_>>(), &values, Keep::Response).await;
        let Some(sent) = sent else {
            return Ok(hosts.iter().map(|_| Err(wit::Error::Cancelled)).collect());
        };
        let mut sent = sent.into_iter();
        let mut answers = Vec::with_capacity(hosts.len());
        for host in &mut hosts {
            let (request, series) = host.resolve(&self.shard, self.groups.path());
            answers.push(match request {
                Err(why) => Err(refuse(&self.shard, series, why)),
                Ok(request) => match sent.next() {
                    None => Err(wit::Error::Cancelled),
                    Some(exchange) => {
                        let lag = std::mem::take(&mut self.lag);
                        let pending = self.watch.as_mut().and_then(|watch| {
                            let counted = series.counted(&exchange, lag);
                            watch.request(&mut self.client, (request, &[]), &exchange, counted)
                        });
                        let finished = Finished::new(series.clone(), &exchange, lag);
                        self.hand_out(exchange, finished.with_pending(pending))?
                    }
                },
            });
        }
        Ok(answers)
    }

    /// Several templates, at once.
    pub(super) async fn send_by_all(
        &mut self,
        requests: &[(Resource<HostTemplate>, Vec<String>)],
    ) -> wasmtime::Result<Vec<Result<wit::Summary, wit::Error>>> {
        let (count, cap) = (requests.len(), self.plan.limits.batch as usize);
        if count > cap {
            self.capped("batch");
            for (resource, _) in &requests[..cap] {
                let host = self.table.get_mut(resource)?;
                let (_, series) = host.resolve(&self.shard, self.groups.path());
                refuse(&self.shard, series, TOO_MANY);
            }
            return Ok(too_many(count));
        }
        let keep = self.keep(Keep::Summary);
        // Templates step out of the table meanwhile. The same template may be in the list twice.
        let mut taken: Vec<Option<HostTemplate>> = Vec::with_capacity(requests.len());
        let mut places: Vec<usize> = Vec::with_capacity(requests.len());
        for (index, (resource, _)) in requests.iter().enumerate() {
            let earlier =
                requests[..index].iter().position(|(other, _)| other.rep() == resource.rep());
            places.push(earlier.unwrap_or(index));
            taken.push(match earlier {
                Some(_) => None,
                None => Some(std::mem::take(self.table.get_mut(resource)?)),
            });
        }
        let mut hosts: Vec<HostTemplate> =
            taken.into_iter().map(Option::unwrap_or_default).collect();
        let values: Vec<&[String]> = requests.iter().map(|(_, values)| &**values).collect();
        let listed: Vec<&HostTemplate> = places.iter().map(|place| &hosts[*place]).collect();
        let sent = self.send_several(&listed, &values, keep).await;
        let answers = match sent {
            None => requests.iter().map(|_| Err(wit::Error::Cancelled)).collect(),
            Some(sent) => self.summaries(&mut hosts, &places, &values, sent),
        };
        for ((resource, _), (index, place)) in requests.iter().zip(places.iter().enumerate()) {
            if index == *place {
                *self.table.get_mut(resource)? = std::mem::take(&mut hosts[index]);
            }
        }
        Ok(answers)
    }

    /// What came of each request of a list, counted. `places`: where its template stands.
    fn summaries(
        &mut self,
        hosts: &mut [HostTemplate],
        places: &[usize],
        values: &[&[String]],
        sent: Vec<Exchange>,
    ) -> Vec<Result<wit::Summary, wit::Error>> {
        let mut sent = sent.into_iter();
        let mut answers = Vec::with_capacity(places.len());
        for (place, values) in places.iter().zip(values) {
            let (request, series) = hosts[*place].resolve(&self.shard, self.groups.path());
            let exchange = match request {
                Ok(request) => sent.next().map(|exchange| (request, exchange)),
                Err(why) => {
                    answers.push(Err(refuse(&self.shard, series, why)));
                    continue;
                }
            };
            let Some((request, exchange)) = exchange else {
                answers.push(Err(wit::Error::Cancelled));
                continue;
            };
            let lag = std::mem::take(&mut self.lag);
            sample::record(&self.shard, series, &exchange, lag);
            if let Some(watch) = &mut self.watch {
                let counted = series.counted(&exchange, lag);
                let pending =
                    watch.request(&mut self.client, (request, values), &exchange, counted);
                if let Some(pending) = pending {
                    pending.put(&self.shard.recorder);
                }
            }
            answers.push(sample::summary(&exchange));
        }
        answers
    }
}
