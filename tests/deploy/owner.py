"""A stand-in for the server in the tests of the embedded stores: starts them, says where, and waits.

Run as `python owner.py <data dir> [volatile] [worker]`. With `worker` it first forks a child that outlives it
and holds every descriptor that it has, as a careless worker process would. SIGTERM ends it in order;
SIGINT (Ctrl-C) raises KeyboardInterrupt in the middle of whatever it does.
"""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from deploy.embedded import EmbeddedStores, EmbeddedStoresError


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stores = EmbeddedStores(Path(sys.argv[1]), volatile="volatile" in sys.argv)
    try:
        urls = stores.start_sync()
        worker = 0
        if "worker" in sys.argv:
            worker = os.fork()
            if not worker:
                time.sleep(60)
                os._exit(0)
        print(urls.mongodb, urls.redis, worker, flush=True)
        time.sleep(60)
    except EmbeddedStoresError as e:
        print(e, flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        stores.stop_sync()


if __name__ == "__main__":
    main()
