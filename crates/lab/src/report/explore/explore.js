'use strict';
(() => {
  const {columns, runs, nets} = JSON.parse(document.getElementById('data').textContent);
  const at = id => document.getElementById(id);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const make = (name, text = '', properties = {}) =>
    Object.assign(document.createElement(name), text === '' ? {} : {textContent: text}, properties);

  const rows = new Map(all('#nets tbody tr').map(row => [Number(row.dataset.net), row]));
  const dots = all('svg.plot [data-net]');
  const colours = [1, 2, 5, 6, 7, 8];

  // What a budget is held against, and how people read it.
  const held = (net, c) => {
    const cell = net.cells[c];
    return cell ? cell.held ?? [cell.value, cell.text] : null;
  };

  // A slider has a position for each value that a stored network has: the strictest first, the last lets all pass.
  const sliders = columns.flatMap((column, c) => {
    if (!column.bounds) return [];
    const steps = new Map();
    for (const net of nets) {
      const value = held(net, c);
      if (value) steps.set(value[0], value[1]);
    }
    if (steps.size < 2) return [];
    const sign = column.at_least ? -1 : 1;
    const values = [...steps.keys()].sort((a, b) => sign * (a - b));
    return [{c, column, sign, values, texts: steps, limit: column.limit}];
  });

  const atBudget = ({values, sign, limit}) => {
    if (limit === null) return values.length - 1;
    const inside = values.filter(value => sign * value <= sign * limit * (1 + sign * 1e-9)).length;
    return Math.max(inside - 1, 0);
  };

  const showsAll = slider => Number(slider.input.value) === slider.values.length - 1;

  const fits = net => shown[net.run].checked && sliders.every(slider => {
    if (showsAll(slider)) return true;
    const value = held(net, slider.c);
    return value !== null && slider.sign * value[0] <= slider.sign * slider.values[slider.input.value];
  });

  // Controls: which runs, which budgets, and what ranks.
  const shown = runs.map((run, place) => {
    const input = make('input', '', {type: 'checkbox', checked: true, oninput: () => update(true)});
    const label = make('label');
    const colour = make('i');
    colour.style.background = `var(--c${colours[place]})`;
    label.append(input, colour, run.name);
    if (runs.length > 1) at('runs').append(label);
    return input;
  });
  for (const slider of sliders) {
    slider.input = make('input', '', {type: 'range', min: 0, max: slider.values.length - 1, step: 1,
      oninput: () => update(true)});
    slider.said = make('b');
    const row = make('span', '', {className: 'row'});
    row.append(slider.column.title, slider.said);
    const label = make('label');
    label.append(row, slider.input);
    at('sliders').append(label);
  }
  const ranks = columns.flatMap((column, c) => column.ranks ? [c] : []);
  const by = make('select', '', {oninput: () => update(true)});
  for (const c of ranks) by.append(make('option', columns[c].title, {value: c}));
  if (ranks.length > 1) {
    const label = make('label', 'The best is the one with the greatest ');
    label.append(by);
    at('sliders').append(label);
  }

  const set = position => {
    for (const slider of sliders) slider.input.value = position(slider);
    update(true);
  };

  const update = pickBest => {
    for (const slider of sliders) {
      const text = slider.texts.get(slider.values[slider.input.value]);
      const bound = `${slider.column.at_least ? 'at least' : 'at most'} ${text}`;
      const said = showsAll(slider) ? `any: all have ${bound}` : bound;
      slider.said.textContent = said;
      slider.input.setAttribute('aria-valuetext', said);
    }
    const inside = nets.map(fits);
    rows.forEach((row, place) => { row.hidden = !inside[place]; });
    for (const dot of dots) dot.classList.toggle('out', !inside[dot.dataset.net]);
    const rank = Number(by.value);
    let best = null;
    nets.forEach((net, place) => {
      const value = net.cells[rank]?.value ?? -Infinity;
      if (inside[place] && (best === null || value > (nets[best].cells[rank]?.value ?? -Infinity))) best = place;
    });
    const count = inside.filter(Boolean).length;
    at('fits').textContent = best === null
      ? 'None of the stored networks fits. A search with these budgets, or with more iterations, may find one.'
      : `${count} of ${nets.length} networks fit. The best of them by ${columns[rank].title}: ${nets[best].cells[rank]?.text ?? '-'}.`;
    at('count').textContent = `${count} of ${nets.length} networks, spread over the range`;
    at('csv-fits').disabled = count === 0;
    if (pickBest) pick(best);
  };

  // The chosen network.
  const pick = place => {
    rows.forEach((row, other) => row.classList.toggle('picked', other === place));
    all('svg.plot .ring').forEach(ring => ring.remove());
    for (const dot of dots) {
      const is = Number(dot.dataset.net) === place;
      dot.classList.toggle('picked', is);
      if (is) {
        const ring = dot.cloneNode(false);
        ring.removeAttribute('data-net');
        ring.setAttribute('class', 'ring');
        ring.setAttribute('r', 7.5);
        dot.after(ring);
      }
    }
    at('picked').hidden = place === null;
    if (place !== null) describe(nets[place]);
  };

  const describe = net => {
    const box = at('picked');
    const options = runs[net.run].options;
    const of = net.best ? `The network that ${runs[net.run].name} handed over` : `A network of ${runs[net.run].name}`;
    const numbers = make('dl');
    columns.forEach((column, c) => {
      const cell = net.cells[c];
      if (!cell) return;
      const entry = make('div'), value = make('dd', cell.text);
      if (cell.note) value.append(make('small', cell.note));
      if (cell.held && cell.held[1] !== cell.text) value.append(make('small', `${cell.held[1]} are held against a budget`));
      entry.append(make('dt', column.title), value);
      numbers.append(entry);
    });
    const structure = make('div', '', {className: 'net'});
    structure.append(make('code', net.net));
    const buttons = make('div', '', {className: 'buttons'});
    const command = `edgezen export '${net.net}' ${options} -o network.onnx`;
    const numbersOf = () => JSON.stringify({net: net.net, run: runs[net.run].name, options,
      ...Object.fromEntries(columns.flatMap((column, c) => net.cells[c] ? [[column.id, net.cells[c].value]] : []))}, null, 2);
    buttons.append(
      action('Copy the structure', button => copy(net.net, button)),
      action('Copy the export command', button => copy(command, button)),
      action('Save the structure', () => save('network.txt', `${net.net}\n`, 'text/plain')),
      action('Save the numbers', () => save('network.json', `${numbersOf()}\n`, 'application/json')));
    box.replaceChildren(make('h3', of), numbers, structure, buttons);
    if (net.blocks.length) box.append(blocks(net.blocks));
  };

  const blocks = list => {
    const table = make('table'), head = make('tr'), body = make('tbody');
    for (const name of ['block', 'layers deep', 'channels (hidden)', 'map']) head.append(make('th', name));
    list.forEach((block, i) => {
      const row = make('tr');
      for (const text of [`${i + 1} ${block.name}`, String(block.times), block.channels, block.map]) row.append(make('td', text));
      body.append(row);
    });
    const top = make('thead'), scroll = make('div', '', {className: 'scroll'}), details = make('details');
    top.append(head);
    table.append(top, body);
    scroll.append(table);
    details.append(make('summary', `Its ${list.length} blocks`), scroll);
    return details;
  };

  const action = (text, act) => {
    const button = make('button', text, {type: 'button'});
    button.onclick = () => act(button);
    return button;
  };

  const copy = async (text, button) => {
    const before = button.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Without the clipboard of the browser: through a selection.
      const area = make('textarea', '', {value: text});
      document.body.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
    }
    button.textContent = done ? 'Copied' : 'The browser refused';
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  const save = (name, text, type) => {
    const url = URL.createObjectURL(new Blob([text], {type}));
    const link = make('a', '', {href: url, download: name});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  const csv = of => {
    const quoted = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const head = ['run', 'best', 'net', ...columns.flatMap(column => [column.id, ...(column.ends ?? [])])];
    const lines = of.map(net => [runs[net.run].name, String(net.best), net.net,
      ...columns.flatMap((column, c) => {
        const cell = net.cells[c];
        const ends = column.ends ? (cell?.ends ?? ['', '']).map(String) : [];
        return [cell ? String(cell.value) : '', ...ends];
      })]);
    return [head, ...lines].map(line => line.map(quoted).join(',') + '\n').join('');
  };

  // The table: a click on a row chooses, a click on a head sorts.
  rows.forEach((row, place) => {
    const first = row.cells[0];
    const button = make('button', first.textContent, {type: 'button', title: 'Choose this network'});
    first.replaceChildren(button);
    row.onclick = () => pick(place);
  });
  all('#nets thead th').forEach((head, c) => {
    const button = make('button', head.textContent, {type: 'button', title: 'Sort by this'});
    head.replaceChildren(button);
    button.onclick = () => {
      const down = head.getAttribute('aria-sort') !== 'descending';
      all('#nets thead th').forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const key = place => c < columns.length ? nets[place].cells[c]?.value ?? -Infinity : -nets[place].run;
      const order = [...rows.keys()].sort((a, b) => (down ? -1 : 1) * (key(a) - key(b)) || a - b);
      at('nets').tBodies[0].append(...order.map(place => rows.get(place)));
    };
  });

  // A finger is wider than a dot: the nearest one within reach is meant.
  const REACH = 26;
  for (const svg of new Set(dots.map(dot => dot.ownerSVGElement))) {
    const inside = dots.filter(dot => dot.ownerSVGElement === svg);
    svg.addEventListener('click', event => {
      let nearest = null, least = REACH;
      for (const dot of inside) {
        if (dot.classList.contains('out')) continue;
        const box = dot.getBoundingClientRect();
        const distance = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
        if (distance < least) [nearest, least] = [Number(dot.dataset.net), distance];
      }
      if (nearest !== null) pick(nearest);
    });
  }

  at('reset').onclick = () => set(atBudget);
  at('loose').onclick = () => set(slider => slider.values.length - 1);
  at('csv-fits').onclick = () => save('front.csv', csv(nets.filter(fits)), 'text/csv');
  at('csv-all').onclick = () => save('front.csv', csv(nets), 'text/csv');
  at('controls').hidden = false;
  for (const slider of sliders) slider.input.value = atBudget(slider);
  update(false);
  const handedOver = nets.findIndex(net => net.run === 0 && net.best);
  pick(handedOver < 0 ? null : handedOver);
})();
