//! The vocabulary that `plugin` and `provider` share: tf-provider's types, and traits of ours where it has no words.
