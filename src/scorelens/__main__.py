"""``python -m scorelens``: the command line, as `torchrun -m scorelens` starts it."""

from scorelens.cli.main import main

if __name__ == "__main__":
    main()
