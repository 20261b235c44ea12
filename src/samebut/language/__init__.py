"""The words of shops in English and Chinese, and sentences made from templates of them."""
