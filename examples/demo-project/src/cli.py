"""The command line."""

import sys

from . import store


def main(argv):
    match argv:
        case ["add", *words] if words:
            store.save([*store.load(), " ".join(words)])
        case ["done", number] if number.isdigit():
            items = store.load()
            # TODO: say something kind when there is no such item
            del items[int(number) - 1]
            store.save(items)
        case ["list"] | []:
            for number, item in enumerate(store.load(), 1):
                print(f"{number}. {item}")
        case _:
            print("usage: add WORDS… | done NUMBER | list", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
