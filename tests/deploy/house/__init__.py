"""What tests of `deploy/` start and ask. Everything here is real; nothing outlives its test."""

from .fleet import CHECKOUT, DEPLOY, Fleet, Master, Member, NatsServer, Shop, Worker, loadhost, metric, scenario, shipped, tool
from .http import Answer, ask
from .overheard import Overheard
from .process import Process, free_port, until

__all__ = [
    "CHECKOUT", "DEPLOY", "Answer", "Fleet", "Master", "Member", "NatsServer", "Overheard", "Process", "Shop", "Worker",
    "ask", "free_port", "loadhost", "metric", "scenario", "shipped", "tool", "until",
]
