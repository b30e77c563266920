//! A session with names that live on the engines: ipyparallel's tour of push, pull, execute, scatter and gather.
//!
//! `cargo run --release --example names`

use phalanx::{Client, Reference};

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let client = Client::local(4)?;
    let dview = client.direct_view(..);

    // dview.push(dict(a=1.03234, b=3453)); dview.pull('a'); client[0].pull('b')
    dview.push("a", &1.03234).get()?;
    dview.push("b", &3453_i64).get()?;
    println!("a: {:?}", dview.pull::<f64>("a").get()?);
    println!("b on the first engine: {}", client.direct_view(0).pull::<i64>("b").get()?);

    // client[:].scatter('a', range(16)); dview['a']
    dview.scatter("x", &(0..16).collect::<Vec<i64>>()).get()?;
    println!("x: {:?}", dview.pull::<Vec<i64>>("x").get()?);

    // dview.execute('y = [i**10 for i in x]'); dview.gather('y')
    dview
        .execute(|ns| {
            let powers: Vec<i64> = ns.at::<Vec<i64>>("x").iter().map(|i| i.pow(10)).collect();
            ns.set("y", powers);
        })
        .get()?;
    let y: Vec<i64> = dview.gather("y").get()?;
    println!("the sum of all y: {}", y.iter().sum::<i64>());

    // dview.apply(lambda x, k: sum(x) * k, ipp.Reference('x'), 2)
    let sums =
        dview.apply(|x: Reference<Vec<i64>>, k: i64| x.iter().sum::<i64>() * k, (Reference::new("x"), 2));
    println!("twice the sums of x, by engine: {:?}", sums.get_dict()?);

    // A name that is missing is an error that says where: dview.pull('nothing')
    let missing = dview.pull::<f64>("nothing").get().expect_err("nobody has set it");
    println!("{missing}");
    Ok(())
}
