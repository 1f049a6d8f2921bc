"""The command line with as many threads as the first argument says."""

import os
import sys

if __name__ == "__main__":
    count = int(sys.argv[1])
    os.environ["POLARS_MAX_THREADS"] = str(count)
    import faiss
    import torch

    from recsys_unlearn.cli import main

    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)
    main(sys.argv[2:])
