"""The harness itself, over the smallest real fleet."""

from house import Fleet, metric, until


def test_a_master_leads_and_hears_of_its_worker(fleet: Fleet) -> None:
    [master] = fleet.masters(1)
    worker = fleet.worker("one")
    until("the worker is known", lambda: metric(master, "loadhost_workers", liveness="alive") == 1)
    until("the worker is ready", worker.ready)
    assert master.leads()
    assert master.stop() == 0, master.output()
