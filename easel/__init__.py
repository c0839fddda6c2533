"""What a program that asks an Easel for pictures imports: `easel.client`. What serves lies in packages of its own."""
