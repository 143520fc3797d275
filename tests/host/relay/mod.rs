mod limits;
mod numbers;
