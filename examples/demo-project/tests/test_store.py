import tempfile
import unittest
from pathlib import Path

from src import store


class StoreTest(unittest.TestCase):
    def test_what_was_saved_is_loaded(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "list.txt"
            store.save(["milk", "bread"], path)
            self.assertEqual(store.load(path), ["milk", "bread"])


if __name__ == "__main__":
    unittest.main()
