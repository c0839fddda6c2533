"""`python -m tests.stepwise`: a worker whose toy-dcgan takes twenty slow passes, each told of with a preview."""

import time

from core.settings import get_settings
from models.families.gan import GAN
from models.model import Step
from workers import progress, worker

STEPS, STEP_S = 20, 0.1


def main() -> None:
    whole = GAN.sample

    def sample(self, latent, labels=None):
        for done in range(1, STEPS + 1):
            time.sleep(STEP_S)
            yield Step(done, STEPS, whole(self, latent, labels) * (done / STEPS))

    GAN.sample = sample
    progress.REPORT_S = 0
    worker.run(get_settings())


if __name__ == "__main__":
    main()
