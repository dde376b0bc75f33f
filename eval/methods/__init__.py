"""What answers: language models, classifiers, mappings."""
